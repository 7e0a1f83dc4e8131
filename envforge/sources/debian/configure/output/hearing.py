"""Listens to scripts while they run: parses and passes on their output, limits the time of each step."""

import time
from collections.abc import Callable

from attrs import define, field

from envforge.sandbox.confined.console import Console
from envforge.sources.debian.configure.output.dpkg_output import Output

Heard = Callable[[bytes], None]
"""Called with each piece of the scripts' output."""


@define
class Hearing:
    """The listener of one script. `console` takes its output."""

    limit_s: int
    """Time limit of each step; 0 for none."""
    heard: Heard = lambda _data: None
    output: Output = field(factory=Output, init=False)
    console: Console = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.console = Console(self._take)
        self._start_clock()

    @property
    def overdue_s(self) -> int:
        """Return the time limit if a step was ended because of it, else 0."""
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
