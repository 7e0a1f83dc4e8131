"""Reads the output of a command in a tree, while waiting for it, and kills it at its deadline.

The command gets a pipe, not a file: it cannot truncate what was printed before, nor read it.
"""

import os
import select
import signal
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from attrs import define, field

_PIECE_BYTES = 1 << 16


@define
class Console:
    """The pipe's reading end. `attend` waits for a sandbox's PID 1 and hands on the output meanwhile."""

    take: Callable[[bytes], None]
    """Called with each piece of the output, by the process that waits."""
    deadline_s: float | None = None
    """When, by the monotonic clock, PID 1 and so the whole sandbox is killed. `take` may move it."""
    overdue: bool = field(default=False, init=False)
    """The deadline has passed, and PID 1 was killed."""
    _read: int = field(default=-1, init=False)
    _write: int = field(default=-1, init=False)

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.started()
        os.close(self._read)

    @property
    def output(self) -> int:
        """Return the end that the command writes to."""
        return self._write

    def started(self) -> None:
        """Close the command's end here, once the command has it."""
        if self._write >= 0:
            os.close(self._write)
            self._write = -1

    def attend(self, first_process: int, until: int = -1) -> bool:
        """Wait until PID 1 has ended (not reaped here) or `until` is readable; return whether the latter."""
        process = os.pidfd_open(first_process)
        try:
            poller = select.poll()
            for descriptor in (process, self._read, *([until] if until >= 0 else [])):
                poller.register(descriptor, select.POLLIN)
            return self._attend(poller, process, until)
        finally:
            os.close(process)

    def _attend(self, poller: select.poll, process: int, until: int) -> bool:
        while True:
            ready = {descriptor for descriptor, _ in poller.poll(self._left_ms())}
            if self._read in ready and not self._take_piece():
                poller.unregister(self._read)
            if process in ready:
                while self._take_piece():
                    pass
                return False
            if until in ready:
                return True
            if not self.overdue and self._left_ms() == 0:
                self.overdue = True
                signal.pidfd_send_signal(process, signal.SIGKILL)

    def _left_ms(self) -> int | None:
        if self.deadline_s is None or self.overdue:
            return None
        return max(0, round((self.deadline_s - time.monotonic()) * 1000))

    def _take_piece(self) -> bool:
        """Hand on what is in the pipe; say whether there may be more."""
        try:
            data = os.read(self._read, _PIECE_BYTES)
        except BlockingIOError:
            return False
        if data:
            self.take(data)
        return bool(data)
