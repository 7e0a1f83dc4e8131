"""Plain lines for logs and pipes: one when a stage begins, one every few seconds, one when it ends."""

import time
from typing import Final, TextIO

from envforge.progress.events import Bytes, Doing, End, Event, Item, Log, Message, Stage
from envforge.progress.meter import Meter, describe
from envforge.units import duration_text, size_text

INTERVAL_S: Final = 5.0
"""A line this often is enough for a log."""
_WIDTH: Final = 200


class PlainView:
    """Prints lines. `every_step` prints each item too, and what programs print."""

    def __init__(self, stream: TextIO, *, every_step: bool = False) -> None:
        self._stream = stream
        self._every_step = every_step
        self._meter: Meter | None = None
        self._shown_s = 0.0

    def __call__(self, event: Event) -> None:
        """Print the event, or count it for the next line."""
        match event:
            case Stage():
                self._finish()
                self._begin(event)
            case Message(text):
                self._print(text)
            case Log(line):
                if self._every_step:
                    self._print(f"  {line}")
            case End():
                self._finish()
            case Bytes() | Doing() | Item():
                self._count(event)

    def _begin(self, stage: Stage) -> None:
        self._meter = Meter.of(stage, time.monotonic())
        self._shown_s = self._meter.started_s
        totals = [f"{stage.total_items} {stage.unit}"] if stage.total_items else []
        totals += [size_text(stage.total_bytes)] if stage.total_bytes else []
        self._print(" ".join([stage.name, ", ".join(totals)]).rstrip())

    def _count(self, event: Bytes | Doing | Item) -> None:
        if self._meter is None:
            return
        self._meter.count(event)
        now_s = time.monotonic()
        if self._every_step and isinstance(event, Item):
            self._print(f"  {event.name}")
        elif now_s - self._shown_s >= INTERVAL_S:
            self._shown_s = now_s
            self._print(f"  {describe(self._meter, now_s, _WIDTH)}")

    def _finish(self) -> None:
        """Print a summary of the current stage, if it took a second or more."""
        meter, self._meter = self._meter, None
        took_s = time.monotonic() - meter.started_s if meter is not None else 0
        if meter is not None and took_s >= 1:
            done = ", ".join(meter.amounts())
            self._print(f"  {done + ' in ' if done else ''}{duration_text(took_s)}")

    def _print(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()
