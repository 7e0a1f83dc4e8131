"""The channel from those who work to whoever listens.

Nothing here starts a thread, because builds fork, and a copy in a forked child says nothing: children report
over their pipe to the parent, which alone speaks.
"""

import os
import threading
from collections.abc import Callable

from envforge.progress.events import Bytes, Doing, End, Event, Item, Log, Message, Stage

Listener = Callable[[Event], None]
"""Told one event at a time, in the thread that reports it. What it raises ends the work."""


def ignore(_event: Event) -> None:
    """Listen to nothing: for whoever has no use for events."""


class Progress:
    """What work is told to. Every method may be called from any thread."""

    def __init__(self, listener: Listener = ignore) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._owner = os.getpid()

    def send(self, event: Event) -> None:
        """Pass an event on."""
        if os.getpid() != self._owner:  # the lock may be held for ever by a thread that was not copied
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
        """Begin a part of the work; the part before is over."""
        self.send(Stage(name, total_bytes, total_items, unit))

    def bytes(self, count: int, item: str = "") -> None:
        """Tell of bytes that came; what came in vain is taken back by a negative number."""
        self.send(Bytes(count, item))

    def doing(self, item: str, what: str) -> None:
        """Name what is being done at the moment."""
        self.send(Doing(item, what))

    def item(self, name: str) -> None:
        """Tell that one of the stage's items is done."""
        self.send(Item(name))

    def log(self, line: str, item: str = "") -> None:
        """Tell a line of what a program prints."""
        self.send(Log(line, item))

    def message(self, text: str) -> None:
        """Say something that stays on the screen."""
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
