"""Hears scripts while they run: what they print is read and handed on, and their time is limited."""

import time
from collections.abc import Callable

from attrs import define, field

from envforge.sandbox.confined.console import Console
from envforge.sources.debian.configure.output.dpkg_output import Output

Heard = Callable[[bytes], None]
"""Told each piece of what scripts print."""


@define
class Hearing:
    """What is known of the scripts of one configuration. `console` is where they print."""

    limit_s: int
    """How long each step may take; 0: as long as it likes."""
    heard: Heard = lambda _data: None
    output: Output = field(factory=Output, init=False)
    console: Console = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.console = Console(self._take)
        self._start_clock()

    @property
    def overdue_s(self) -> int:
        """Return the limit if a step was ended for it, else 0."""
        return self.limit_s if self.console.overdue else 0

    def _take(self, data: bytes) -> None:
        before = self.output.step
        self.output.feed(data)
        self.heard(data)
        if self.output.step is not before:
            self._start_clock()

    def _start_clock(self) -> None:
        if self.limit_s:
            self.console.deadline_s = time.monotonic() + self.limit_s
