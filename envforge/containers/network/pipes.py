"""Pipes through which connections' bytes go from socket to socket without being copied: splice(2).

One belongs to a direction of a connection for as long as there is something in it. They are few: whoever
finds none free copies its bytes, so slow readers take neither memory nor the others' way.
"""

import os
from fcntl import F_SETPIPE_SZ, fcntl

PIPE_BYTES = 256 << 10
_PIPES_MAX = 16
_FLAGS = 3
"""SPLICE_F_MOVE | SPLICE_F_NONBLOCK."""


class Pipe:
    """A pipe, and how many bytes are in it."""

    __slots__ = ("_read", "_write", "held")

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.held = 0
        try:  # noqa: SIM105  # contextlib costs a millisecond
            fcntl(self._write, F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:
            pass  # its user has many: it stays a small one

    def fill(self, source: int) -> int:
        """Take what a socket has; 0 at its end. The pipe is empty. Raises BlockingIOError, OSError."""
        self.held = os.splice(source, self._write, PIPE_BYTES, flags=_FLAGS)
        return self.held

    def drain(self, target: int) -> None:
        """Give all of it to a socket. Raises BlockingIOError once that takes no more, OSError."""
        while self.held:
            self.held -= os.splice(self._read, target, self.held, flags=_FLAGS)

    def close(self) -> None:
        """Close both ends; what is in it is lost."""
        os.close(self._read)
        os.close(self._write)


class Pipes:
    """All pipes of a proxy."""

    __slots__ = ("_count", "_free")

    def __init__(self) -> None:
        self._count = 0
        self._free: list[Pipe] = []

    def take(self) -> "Pipe | None":
        """Return an empty pipe, None where there is none left."""
        if self._free:
            return self._free.pop()
        if self._count == _PIPES_MAX:
            return None
        try:
            pipe = Pipe()
        except OSError:
            return None  # no descriptors
        self._count += 1
        return pipe

    def give_back(self, pipe: Pipe) -> None:
        """Have a pipe back: for others if it is empty."""
        if pipe.held:
            pipe.close()
            self._count -= 1
        else:
            self._free.append(pipe)
