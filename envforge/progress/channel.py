"""The channel from working code to a listener.

Nothing here starts a thread, because builds fork. A copy in a forked child is silent: children send events to
the parent over their pipe, and only the parent calls the listener.
"""

import os
import threading
from collections.abc import Callable

from envforge.progress.events import Bytes, Doing, End, Event, Item, Log, Message, Stage

Listener = Callable[[Event], None]
"""Called with one event at a time, in the thread that reports it. What it raises ends the work."""


def ignore(_event: Event) -> None:
    """Ignore every event: the default listener."""


class Progress:
    """Sends the events of long work to a listener. Every method may be called from any thread."""

    def __init__(self, listener: Listener = ignore) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._owner = os.getpid()

    def send(self, event: Event) -> None:
        """Pass an event on."""
        if os.getpid() != self._owner:  # forked: a thread that does not exist here may hold the lock
            return
        with self._lock:
            self._listener(event)

    def stage(
        self,
        name: str,
        total_bytes: int | None = None,
        total_items: int | None = None,
        *,
        unit: str = "packages",
    ) -> None:
        """Begin a stage of the work; the stage before is over."""
        self.send(Stage(name, total_bytes, total_items, unit))

    def bytes(self, count: int, item: str = "") -> None:
        """Report received bytes; a negative count takes back those of a failed attempt."""
        self.send(Bytes(count, item))

    def doing(self, item: str, what: str) -> None:
        """Report what is being done to an item at the moment."""
        self.send(Doing(item, what))

    def item(self, name: str) -> None:
        """Report one of the stage's items as done."""
        self.send(Item(name))

    def log(self, line: str, item: str = "") -> None:
        """Report a line that a program printed."""
        self.send(Log(line, item))

    def message(self, text: str) -> None:
        """Send a message that stays on the screen."""
        self.send(Message(text))

    def end(self) -> None:
        """End the work."""
        self.send(End())


class Recorder:
    """A listener that keeps every event, in order: for tests, and for whoever shows them later."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)
