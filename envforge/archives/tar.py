"""A streaming reader of tar archives: ustar, GNU long names, pax headers. It never writes a file.

Every number is checked against its bounds; sparse files and archives of several volumes raise ArchiveError.
Contents are views into one buffer, valid until the next member is asked for.
"""

import base64
from collections.abc import Iterator
from typing import Final, Literal

from attrs import define

from envforge.archives.bounds import ARCHIVE_MAX_BYTES
from envforge.archives.streams import Reader
from envforge.errors import ArchiveError

BLOCK: Final = 512
BUFFER_BYTES: Final = 1 << 20
"""Small enough for the processor's cache, large enough to hold nearly every file whole."""
WHOLE_BYTES: Final = 256 << 10
"""Contents up to this size come in one piece."""

_FILE_MAX_BYTES: Final = 1 << 34
_MEMBERS_MAX: Final = 1 << 20
"""Several times as many as any package of Debian has."""
_EXTENSION_MAX_BYTES: Final = 1 << 20
_TIME_MAX: Final = 1 << 33
_ID_MAX: Final = (1 << 32) - 2
_ZEROS: Final = bytes(BLOCK)
_XATTR_PREFIX: Final = b"SCHILY.xattr."
_XATTR_BASE64_PREFIX: Final = b"LIBARCHIVE.xattr."

Kind = Literal["file", "directory", "symlink", "hardlink", "character", "block", "fifo"]
_KINDS: Final[dict[int, Kind]] = {
    0x00: "file",
    0x30: "file",
    0x37: "file",
    0x31: "hardlink",
    0x32: "symlink",
    0x33: "character",
    0x34: "block",
    0x35: "directory",
    0x36: "fifo",
}


@define(slots=True)
class Member:
    """One member's header. Names are the archive's own bytes."""

    name: bytes
    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    target: bytes
    """Target of a symbolic link, or the name of the member that a hard link refers to."""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


class TarReader:
    """Iterates over the members of a tar; `content` gives the bytes of the one just yielded."""

    def __init__(
        self,
        source: Reader,
        *,
        limit_bytes: int = ARCHIVE_MAX_BYTES,
        file_max_bytes: int = _FILE_MAX_BYTES,
    ) -> None:
        """Read from `source`, no more than `limit_bytes` of it, and no larger file than that."""
        self._file_max = file_max_bytes
        self._limit = limit_bytes
        self._members = 0
        self.buffer = bytearray(BUFFER_BYTES)
        """Holds the contents of members; `whole` returns the place in it."""
        self._view = memoryview(self.buffer)
        self._source = source
        self._start = 0
        self._end = 0
        self._total = 0
        self._unread = 0
        self._padding = 0
        self._globals: dict[bytes, bytes] = {}

    def __iter__(self) -> Iterator[Member]:
        """Yield members in their order. Raises ArchiveError; a missing end mark is truncation."""
        while True:
            self._skip(self._unread + self._padding)
            self._unread = self._padding = 0
            header = self._take(BLOCK)
            if header == _ZEROS:
                self._drain()
                return
            self._members += 1
            if self._members > _MEMBERS_MAX:
                raise ArchiveError(f"it has more than {_MEMBERS_MAX} members")
            yield self._member(header, {})

    def content(self) -> Iterator[memoryview]:
        """Yield the rest of the current member's bytes, each piece valid until the next is asked for."""
        while self._unread:
            if self._start == self._end:
                self._fill()
            count = min(self._unread, self._end - self._start)
            piece = self._view[self._start : self._start + count]
            self._start += count
            self._unread -= count
            yield piece

    def whole(self) -> tuple[int, int]:
        """Return start and end in `buffer` of all of the current member's bytes, at most WHOLE_BYTES."""
        size = self._unread
        while self._end - self._start < size:
            self._fill()
        start = self._start
        self._start += size
        self._unread = 0
        return start, start + size

    def _member(self, header: bytes, extended: dict[bytes, bytes]) -> Member:
        flag = header[156]
        while flag not in _KINDS:
            self._extend(header, flag, extended)
            header = self._take(BLOCK)
            flag = header[156]
        _check_sum(header)
        member = _plain_member(header, _KINDS[flag])
        if extended or self._globals:
            _apply({**self._globals, **extended}, member)
        if member.kind == "file":
            if member.name.endswith(b"/"):
                member.kind = "directory"
            elif not 0 <= member.size <= self._file_max:
                raise ArchiveError(f"{member.name!r} claims to be {member.size} bytes large")
        if max(member.uid, member.gid) > _ID_MAX:
            raise ArchiveError(f"{member.name!r} belongs to {member.uid}:{member.gid}, which nobody is")
        if member.kind != "file":
            member.size = 0
        self._unread = member.size
        self._padding = -member.size % BLOCK
        return member

    def _extend(self, header: bytes, flag: int, extended: dict[bytes, bytes]) -> None:
        """Take in a header that only describes the next member or, a global one, all members after it."""
        _check_sum(header)
        size = _number(header, 124, 136)
        if flag not in b"LKxg":
            raise ArchiveError(f"{_text(header, 0, 100)!r} is of the unsupported tar type {chr(flag)!r}")
        if size > _EXTENSION_MAX_BYTES:
            raise ArchiveError(f"a tar header of {size} bytes is too large")
        data = self._take(size)
        self._skip(-size % BLOCK)
        if flag == ord("L"):
            extended[b"path"] = data.rstrip(b"\0")
        elif flag == ord("K"):
            extended[b"linkpath"] = data.rstrip(b"\0")
        elif flag == ord("x"):
            extended.update(_pax_records(data))
        else:
            self._globals.update(_pax_records(data))

    def _take(self, size: int) -> bytes:
        while self._end - self._start < size:
            self._fill()
        start = self._start
        self._start += size
        return bytes(self._view[start : self._start])

    def _skip(self, size: int) -> None:
        while size > self._end - self._start:
            size -= self._end - self._start
            self._start = self._end
            self._fill()
        self._start += size

    def _fill(self) -> None:
        if self._read() == 0:
            raise ArchiveError("it is truncated: its tar ends in the middle")

    def _read(self) -> int:
        """Move the unread bytes to the front of the buffer, read more behind them; return how many came."""
        left = self._end - self._start
        if self._start:
            self._view[:left] = self._view[self._start : self._end]
            self._start, self._end = 0, left
        count = self._source.readinto(self._view[left:])
        self._end += count
        self._total += count
        if self._total > self._limit:
            raise ArchiveError(f"it unpacks to more than {self._limit >> 20} MiB")
        return count

    def _drain(self) -> None:
        """Read to the end, so that the decoder compares the compression's own checksum."""
        self._start = self._end
        while self._read():
            self._start = self._end


def _plain_member(header: bytes, kind: Kind) -> Member:
    name = _text(header, 0, 100)
    if header[257:263] == b"ustar\0" and header[345]:
        name = _text(header, 345, 500) + b"/" + name
    return Member(
        name,
        kind,
        _number(header, 100, 108) & 0o7777,
        _number(header, 108, 116),
        _number(header, 116, 124),
        _time(_number(header, 136, 148), name),
        _number(header, 124, 136),
        _text(header, 157, 257),
    )


def _check_sum(header: bytes) -> None:
    wanted = _number(header, 148, 156)
    if sum(header) - sum(header[148:156]) + 8 * 0x20 != wanted:
        raise ArchiveError("a tar header's checksum is wrong")


def _text(header: bytes, start: int, end: int) -> bytes:
    stop = header.find(0, start, end)
    return header[start : end if stop < 0 else stop]


def _number(header: bytes, start: int, end: int) -> int:
    """Return an octal number, or GNU's base 256 for what does not fit; empty is 0."""
    if header[start] & 0x80:
        if header[start] != 0x80:
            raise ArchiveError("a tar header has a negative number")
        return int.from_bytes(header[start + 1 : end], "big")
    digits = header[start:end].strip(b" \0")
    if not digits:
        return 0
    if digits.isdigit():
        try:
            return int(digits, 8)
        except ValueError:
            pass
    raise ArchiveError(f"a tar header has {digits!r} for a number")


def _time(value: int, name: bytes) -> int:
    if not 0 <= value <= _TIME_MAX:
        raise ArchiveError(f"{name!r} has an impossible time: {value}")
    return value


def _pax_records(data: bytes) -> dict[bytes, bytes]:
    r"""Return the records of a pax header: `LENGTH KEY=VALUE\n`, length over all of it (pax(1))."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 8)
        digits = data[position:space] if space > 0 else b""
        end = position + int(digits) if digits.isdigit() else 0
        key, equals, value = data[space + 1 : end].partition(b"=")
        if end > len(data) or not equals or not value.endswith(b"\n"):
            raise ArchiveError("a pax header is broken")
        records[key] = value[:-1]
        position = end
    return records


def _apply(records: dict[bytes, bytes], member: Member) -> None:
    xattrs = []
    for key, value in records.items():
        if key == b"path":
            member.name = value
        elif key == b"linkpath":
            member.target = value
        elif key in (b"size", b"uid", b"gid"):
            setattr(member, key.decode(), _decimal(value, key))
        elif key == b"mtime":
            member.mtime = _time(_decimal(value.partition(b".")[0], key), member.name)
        elif key.startswith(_XATTR_PREFIX):
            xattrs.append((key.removeprefix(_XATTR_PREFIX), value))
        elif key.startswith(_XATTR_BASE64_PREFIX):
            xattrs.append((key.removeprefix(_XATTR_BASE64_PREFIX), _base64(value)))
        elif key.startswith(b"GNU.sparse."):
            raise ArchiveError(f"{member.name!r} is a sparse file, which packages do not contain")
    member.xattrs = tuple(sorted(dict(xattrs).items()))


def _decimal(value: bytes, key: bytes) -> int:
    if not value.isdigit() or len(value) > 19:
        raise ArchiveError(f"a pax header has {value!r} for {key.decode()}")
    return int(value)


def _base64(value: bytes) -> bytes:
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except ValueError as error:
        raise ArchiveError(f"a pax header has a broken xattr: {value!r}") from error
