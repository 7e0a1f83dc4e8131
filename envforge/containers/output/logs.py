"""Reads a container's log, or its end. `supervisor/log_file.py` writes it, `following.py` reads on."""

import os

from envforge.containers.records import Container
from envforge.containers.supervisor.log_file import FILES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIECE = 1 << 20


class Entry:
    """One line of the log."""

    __slots__ = ("is_whole", "stream", "text", "time")

    def __init__(self, line: bytes) -> None:
        time, stream, kind, self.text = line.split(b" ", 3)
        self.time = time.decode()
        """RFC 3339 in UTC, with nanoseconds: such times are ordered as texts are."""
        self.stream = stream.decode()
        self.is_whole = kind == b"F"
        """The line ends here; else the next entry of its stream goes on with it."""


def entries(container: Container, *, last: "int | None" = None, since: str = "") -> "Iterator[Entry]":
    """Yield what the log has now: from a time on, and of that only the last lines."""
    files = open_all(container.directory)
    try:
        yield from wanted((read(file) for file in files), last, since)
    finally:
        for file in files:
            os.close(file)


def wanted(pieces: "Iterable[bytes]", last: "int | None", since: str) -> "Iterator[Entry]":
    """Yield the entries of whole lines: from a time on, and of that only the last lines."""
    if last is None:
        for data in pieces:
            yield from (one for one in entries_of(data) if one.time >= since)
        return
    found = [one for data in pieces for one in entries_of(data) if one.time >= since]
    start, lines = len(found), 0
    while start > 0 and (lines < last or not found[start - 1].is_whole):
        start -= 1
        lines += found[start].is_whole
    yield from found[start:] if last else ()


def entries_of(data: bytes) -> "Iterator[Entry]":
    """Yield the entries of whole lines; what is no line of a log is left out."""
    for line in data.split(b"\n"):
        if line.count(b" ") >= 3:
            yield Entry(line)


def read(file: int) -> bytes:
    """Return the whole lines from where a file was read to; the offset stays before one that is not whole."""
    data = b""
    while piece := os.read(file, _PIECE):
        data += piece
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.lseek(file, whole - len(data), os.SEEK_CUR)
    return data[:whole]


def open_all(directory: str) -> "list[int]":
    """Return the descriptors of the log's files, the oldest first, each once though they are rotated now."""
    found: list[int] = []
    known = set()
    for number in range(FILES):
        path = f"{directory}/log.{number}" if number else f"{directory}/log"
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        inode = os.fstat(file).st_ino
        if inode in known:
            os.close(file)
            continue
        known.add(inode)
        found.insert(0, file)
    return found
