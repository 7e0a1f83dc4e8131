"""What goes into a container: written as far as it is read, without ever waiting for it."""

import os

from envforge.containers.supervisor.loop import WRITE, Loop

BUFFER_MAX_BYTES = 1 << 20


class Input:
    """The writing end of a payload's stdin, or the master of its terminal."""

    def __init__(self, loop: Loop, descriptor: int) -> None:
        self._loop = loop
        self._unwritten = b""
        self._ends = False
        self.descriptor = descriptor
        os.set_blocking(descriptor, False)

    @property
    def is_full(self) -> bool:
        """Say whether the payload reads too slowly."""
        return len(self._unwritten) > BUFFER_MAX_BYTES

    def write(self, data: bytes) -> None:
        """Write as soon as the payload reads."""
        if self.descriptor >= 0 and not self._ends:
            is_new = not self._unwritten
            self._unwritten += data
            self._flush()
            if is_new and self._unwritten and self.descriptor >= 0:
                self._loop.watch(self.descriptor, self._ready, WRITE)

    def end(self) -> None:
        """Close it once everything is written."""
        self._ends = True
        if not self._unwritten:
            self.close()

    def _ready(self, _events: int) -> None:
        self._flush()
        if not self._unwritten and self.descriptor >= 0:
            self._loop.unwatch(self.descriptor)
            if self._ends:
                self.close()

    def _flush(self) -> None:
        try:
            while self._unwritten:
                self._unwritten = self._unwritten[os.write(self.descriptor, self._unwritten[: 1 << 16]) :]
        except BlockingIOError:
            return
        except OSError:  # nobody reads it any more
            self._unwritten = b""

    def close(self) -> None:
        """Close it."""
        if self.descriptor >= 0:
            self._loop.unwatch(self.descriptor)
            os.close(self.descriptor)
            self.descriptor = -1
