"""Work that goes on beside the screens, as plain state: what it is, how far it is, how it ended."""

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from attrs import define, field

from envforge.progress.events import Doing, Event, Item, Log, Message, Stage
from envforge.progress.meter import Meter, describe
from envforge.units import duration_text

LINES_MAX: Final = 2000
_PATIENCE_S: Final = 0.3
"""What is loaded sooner is not spoken of: a line that flashes tells nothing."""


class State(StrEnum):
    """How far a job is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class CancelledError(Exception):
    """The user has had enough of a job; raised into its work by the listener."""


@define(eq=False)
class Job:
    """One piece of work that changes something."""

    title: str
    command: str
    """What does the same on the command line."""
    work: Callable[["Job"], Any] = field(repr=False)
    """Runs in a thread; gets the job as its listener."""
    state: State = State.RUNNING
    failure: str = ""
    hint: str = ""
    started_s: float = field(factory=time.monotonic)
    ended_s: float = 0.0
    lines: deque[str] = field(factory=lambda: deque(maxlen=LINES_MAX), repr=False)
    meter: Meter | None = None
    said: int = 0
    """How many lines there have been: more than `lines` keeps."""
    _stop: threading.Event = field(factory=threading.Event, repr=False)

    def __call__(self, event: Event) -> None:
        """Take an event of the work, in its thread. Raises CancelledError once the job is to end."""
        if self._stop.is_set():
            raise CancelledError
        match event:
            case Stage(name):
                self.meter = Meter.of(event, time.monotonic())
                self._say(f"== {name}")
            case Log(line, item):
                self._say(f"{item}: {line}" if item else line)
            case Message(text):
                self._say(text)
            case Doing(item, what) if what not in ("", "unpacking"):
                self._say(f"{what} {item}")
                self._count(event)
            case _:
                self._count(event)

    def _count(self, event: Event) -> None:
        if self.meter is not None:
            self.meter.count(event)
            if isinstance(event, Item) and self.meter.total_items and self.meter.total_items <= 40:
                self._say(f"   {event.name}")

    def _say(self, line: str) -> None:
        self.lines.append(line)
        self.said += 1

    def cancel(self) -> None:
        """Ask the work to end: it does so at its next event."""
        self._stop.set()
        self._say("stopping …")

    @property
    def is_stopping(self) -> bool:
        """Return whether somebody has asked it to end."""
        return self._stop.is_set() and self.state is State.RUNNING

    def end(self, state: State, failure: str = "", hint: str = "") -> None:
        """Note how it ended."""
        self.state, self.failure, self.hint = state, failure, hint
        self.ended_s = time.monotonic()
        if failure:
            self.lines.extend(failure.splitlines())
            self.said += 1
        if hint:
            self._say(f"hint: {hint}")

    @property
    def seconds(self) -> float:
        """Return how long it has taken, so far or in all."""
        return (self.ended_s or time.monotonic()) - self.started_s

    def share(self) -> float | None:
        """Return how much of its stage is done, None where that is not known."""
        return self.meter.share() if self.meter is not None else None

    def line(self, width: int = 60) -> str:
        """Return one line on how far it is."""
        if self.state is not State.RUNNING:
            return f"{self.title}: {self.state} after {duration_text(self.seconds)}"
        if self.is_stopping:
            return f"{self.title}: stopping …"
        told = describe(self.meter, time.monotonic(), width) if self.meter is not None else ""
        return f"{self.title}: {told}" if told else f"{self.title} …"


@define
class Done:
    """One line of the log of commands."""

    command: str
    at: float = field(factory=time.time)
    state: str = State.DONE
    seconds: float = 0.0
    job: Job | None = None

    @property
    def now(self) -> str:
        """Return how it went, or how it is going."""
        return str(self.job.state) if self.job is not None else self.state


@define
class Loads:
    """What is being loaded, by name. Times are seconds of a clock that never goes back."""

    _begun: dict[str, tuple[str, float]] = field(factory=dict)

    def begin(self, name: str, title: str, now: float) -> None:
        """Note that something is loaded from now on; what had the same name is not any more."""
        self._begun[name] = title, now

    def end(self, name: str) -> None:
        """Note that it is there."""
        self._begun.pop(name, None)

    def __bool__(self) -> bool:
        """Return whether anything is being loaded."""
        return bool(self._begun)

    def told(self, now: float) -> str:
        """Return the title of what is waited for long enough to speak of it; empty for none."""
        return next((title for title, since in self._begun.values() if now - since >= _PATIENCE_S), "")
