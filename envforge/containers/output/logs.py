"""Reads a container's log: all of it or its end, and what is to come. `supervisor/log_file.py` writes it."""

import os
from time import sleep

from envforge.containers import records, truth
from envforge.containers.records import Container
from envforge.containers.supervisor.log_file import FILES
from envforge.errors import NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PAUSE_S = 0.05
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
    files = _open_all(container.directory)
    try:
        yield from _wanted((_read(file) for file in files), last, since)
    finally:
        for file in files:
            os.close(file)


def follow(container: Container, *, last: "int | None" = None, since: str = "") -> "Iterator[Entry | None]":
    """Yield likewise, then what comes, until the container ends; None where nothing comes for the moment."""
    files = _open_all(container.directory)
    try:
        yield from _wanted((_read(file) for file in files), last, since)
        yield from _rest(container, files, since)
    finally:
        for file in files:
            os.close(file)


def _wanted(pieces: "Iterator[bytes]", last: "int | None", since: str) -> "Iterator[Entry]":
    if last is None:
        for data in pieces:
            yield from (one for one in _entries_of(data) if one.time >= since)
        return
    found = [one for data in pieces for one in _entries_of(data) if one.time >= since]
    start, lines = len(found), 0
    while start > 0 and (lines < last or not found[start - 1].is_whole):
        start -= 1
        lines += found[start].is_whole
    yield from found[start:] if last else ()


def _entries_of(data: bytes) -> "Iterator[Entry]":
    for line in data.split(b"\n"):
        if line.count(b" ") >= 3:
            yield Entry(line)


def _read(file: int) -> bytes:
    """Return the whole lines from where a file was read to; the offset stays before one that is not whole."""
    data = b""
    while piece := os.read(file, _PIECE):
        data += piece
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.lseek(file, whole - len(data), os.SEEK_CUR)
    return data[:whole]


def _open_all(directory: str) -> "list[int]":
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


def _rest(container: Container, files: "list[int]", since: str) -> "Iterator[Entry | None]":
    """Yield what comes. The last one of `files` is the newest; newer ones are put in its place."""
    while True:
        is_over = not _is_live(container)  # before the last look: nothing comes after it
        some = False
        for one in _more(container.directory, files):
            if one.time >= since:
                some = True
                yield one
        if is_over:
            return
        if not some:
            yield None
            sleep(_PAUSE_S)


def _more(directory: str, files: "list[int]") -> "Iterator[Entry]":
    if files:
        yield from _entries_of(_read(files[-1]))
    newer = _open_all(directory)
    inodes = [os.fstat(file).st_ino for file in newer]
    mine = os.fstat(files[-1]).st_ino if files else -1
    at = inodes.index(mine) + 1 if mine in inodes else 0
    for file in newer[:at]:
        os.close(file)
    if at < len(newer) and files:
        yield from _entries_of(_read(files[-1]))  # written between our last look and the rotation
        for file in files:
            os.close(file)
        files.clear()
    for file in newer[at:]:
        yield from _entries_of(_read(file))
        files.append(file)


def _is_live(container: Container) -> bool:
    try:
        return truth.checked(records.read(container.store, container.id)).is_live
    except NotFoundError:
        return False
