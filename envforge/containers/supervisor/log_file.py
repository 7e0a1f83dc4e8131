"""Writes a container's log, in the line format of Kubernetes' container runtime interface.

    2026-11-28T02:00:00.123456789Z stdout F a whole line
    2026-11-28T02:00:00.123456789Z stderr P a part of a line: the next one of this stream goes on with it

Nothing that a container writes can end a line early or begin one: what stands before the text is ours, and a
newline is the only byte that ends it. `log` is the newest of at most three files. A full disk never stops the
container: the log tells how much is missing once it can be written again.
"""

import os
from time import gmtime, time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 10 << 20
FILES = 3
LINE_MAX_BYTES = 16 << 10
"""Longer lines are written in parts, as containerd does."""
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class LogFile:
    """The log of one container, open for writing."""

    def __init__(self, directory: str, *, max_bytes: int = MAX_BYTES, files: int = FILES) -> None:
        self._path = f"{directory}/log"
        self._max_bytes = max_bytes
        self._files = files
        self._descriptor = -1
        self._size = 0
        self._open()
        self._rest: dict[str, bytes] = {}
        self._second = -1
        self._stamp = ""
        self._lost_bytes = 0
        self._lost_lines = 0
        self._why = ""

    def write(self, stream: str, data: bytes) -> None:
        """Write what came out of a stream; the beginning of a line waits for its end, or for `finish`."""
        lines = (self._rest.pop(stream, b"") + data).split(b"\n")
        rest = lines.pop()
        head = self._head(stream)
        if len(data) <= LINE_MAX_BYTES and len(lines) < 2:
            pieces = [piece for line in lines for piece in _pieces(head, line)]
        else:
            whole = head + b"F "
            pieces = []
            for line in lines:
                if len(line) <= LINE_MAX_BYTES:
                    pieces += (whole, line, b"\n")
                else:
                    pieces += _pieces(head, line)
        while len(rest) > LINE_MAX_BYTES:
            pieces += (head, b"P ", rest[:LINE_MAX_BYTES], b"\n")
            rest = rest[LINE_MAX_BYTES:]
        if rest:
            self._rest[stream] = rest
        if pieces:
            self._append(b"".join(pieces), len(lines))

    def finish(self) -> None:
        """Write lines that never ended: no more comes."""
        for stream, rest in self._rest.items():
            self._append(self._head(stream) + b"P " + rest + b"\n", 1)
        self._rest = {}

    def say(self, text: str) -> None:
        """Write a line of the supervisor's own, as one of standard error."""
        self._append(self._head("stderr") + b"F envforge: " + text.replace("\n", " ").encode() + b"\n", 1)

    def _head(self, stream: str) -> bytes:
        seconds, nanoseconds = divmod(time_ns(), 1_000_000_000)
        if seconds != self._second:
            self._second = seconds
            year, month, day, hour, minute, second, *_ = gmtime(seconds)
            self._stamp = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        return f"{self._stamp}.{nanoseconds:09}Z {stream} ".encode()

    def _append(self, data: bytes, lines: int) -> None:
        if self._lost_bytes and not self._tell_loss():
            self._lose(data, lines)
            return
        try:
            if self._size and self._size + len(data) > self._max_bytes:
                self._rotate()
            written = os.write(self._open(), data)
        except OSError as error:
            self._why = error.strerror or ""
            self._lose(data, lines)
            return
        if written < len(data):  # the disk is full: what was begun would run into the next line
            os.ftruncate(self._descriptor, self._size)
            self._why = "no space left"
            self._lose(data, lines)
            return
        self._size += written

    def _lose(self, data: bytes, lines: int) -> None:
        self._lost_bytes += len(data)
        self._lost_lines += lines

    def _tell_loss(self) -> bool:
        """Write how much was lost; return whether that was possible."""
        count, lost = self._lost_lines, self._lost_bytes
        text = f"F envforge: {count} lines ({lost} bytes of the log) were lost: {self._why}\n"
        data = self._head("stderr") + text.encode()
        try:
            written = os.write(self._open(), data)
        except OSError:
            return False
        if written < len(data):
            os.ftruncate(self._descriptor, self._size)
            return False
        self._size += written
        self._lost_bytes = self._lost_lines = 0
        return True

    def _rotate(self) -> None:
        """Begin a new file; the oldest one goes."""
        os.close(self._descriptor)
        self._descriptor = -1
        names = [self._path, *(f"{self._path}.{number}" for number in range(1, self._files))]
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            try:
                os.rename(newer, older)
            except FileNotFoundError:
                continue
        if len(names) == 1:
            os.unlink(self._path)
        self._open()

    def _open(self) -> int:
        """Return the file's descriptor, opened again if that failed while it was rotated."""
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, _FLAGS, 0o600)
            self._size = os.fstat(self._descriptor).st_size
        return self._descriptor


def _pieces(head: bytes, line: bytes) -> "Iterator[bytes]":
    """Yield the parts of the log's lines for a line that has ended."""
    while len(line) > LINE_MAX_BYTES:
        yield from (head, b"P ", line[:LINE_MAX_BYTES], b"\n")
        line = line[LINE_MAX_BYTES:]
    yield from (head, b"F ", line, b"\n")
