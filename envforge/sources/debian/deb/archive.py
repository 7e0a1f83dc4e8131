"""The outside of a .deb (deb(5)): its ar members, and reading the decompressed bytes of one of them.

    !<arch>  debian-binary "2.0"  control.tar[.gz|.xz|.zst]  data.tar[.gz|.xz|.zst|.bz2|.lzma]

Strict: whatever dpkg-deb would not have written raises ArchiveError. Nothing is read whole into memory.
"""

import bz2
import lzma
import os
import zlib
from collections.abc import Callable
from typing import IO, Final, Protocol, cast

import zstandard
from attrs import frozen

from envforge.errors import ArchiveError
from envforge.sources.debian.deb import xz

_MAGIC: Final = b"!<arch>\n"
_HEADER_BYTES: Final = 60
_INPUT_BYTES: Final = 256 << 10
_WINDOW_MAX_BYTES: Final = 128 << 20
_MEMORY_MAX_BYTES: Final = 160 << 20


@frozen
class Member:
    """One ar member: its name without padding, and where its bytes lie in the file."""

    name: str
    offset: int
    size: int


@frozen
class Layout:
    """The two members of a .deb that matter."""

    control: Member
    data: Member


class Reader(Protocol):
    """Decompressed bytes, step by step."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill the start of `buffer`; return how many bytes, 0 at the end. Raises ArchiveError."""

    def close(self) -> None:
        """Free what the decoder holds."""


def read_layout(descriptor: int) -> Layout:
    """Return where control and data of the .deb open at `descriptor` lie.

    Raises ArchiveError: no ar file, another deb format, members missing, out of order or cut off.
    """
    if os.pread(descriptor, len(_MAGIC), 0) != _MAGIC:
        raise ArchiveError("it is not a Debian package: the ar magic is missing")
    total = os.fstat(descriptor).st_size
    binary = _member_at(descriptor, len(_MAGIC), total)
    version = os.pread(descriptor, min(binary.size, 64), binary.offset)
    if binary.name != "debian-binary" or not version.startswith(b"2.") or b"\n" not in version:
        raise ArchiveError(f"it is not a Debian package of format 2: {binary.name!r} says {version!r}")
    control = _next_member(descriptor, binary, total)
    _expect(control, "control.tar")
    data = _next_member(descriptor, control, total)
    _expect(data, "data.tar")
    return Layout(control, data)


def _next_member(descriptor: int, previous: Member, total: int) -> Member:
    """Return the member behind `previous`, passing over those that deb(5) lets be ignored (`_…`)."""
    while True:
        previous = _member_at(descriptor, previous.offset + previous.size + previous.size % 2, total)
        if not previous.name.startswith("_"):
            return previous


def _member_at(descriptor: int, offset: int, total: int) -> Member:
    header = os.pread(descriptor, _HEADER_BYTES, offset)
    if len(header) < _HEADER_BYTES:
        raise ArchiveError("it is truncated: a member is missing")
    digits = header[48:58].rstrip(b" ")
    if header[58:] != b"`\n" or not digits.isdigit():
        raise ArchiveError(f"its ar header at byte {offset} is broken")
    name = header[:16].rstrip(b" ").removesuffix(b"/").decode("ascii", "replace")
    member = Member(name, offset + _HEADER_BYTES, int(digits))
    if member.offset + member.size > total:
        raise ArchiveError(f"it is truncated: {name} ends at byte {member.offset + member.size} of {total}")
    return member


def _expect(member: Member, name: str) -> None:
    if member.name != name and member.name.rpartition(".")[0] != name:
        raise ArchiveError(f"its members are out of order: {member.name!r} stands where {name} must")


class _Slice:
    """The bytes of one member. Positions are its own, so threads may share the descriptor."""

    def __init__(self, descriptor: int, member: Member) -> None:
        self._descriptor = descriptor
        self._position = member.offset
        self._end = member.offset + member.size

    def readinto(self, buffer: memoryview) -> int:
        wanted = min(len(buffer), self._end - self._position)
        count = os.preadv(self._descriptor, [buffer[:wanted]], self._position) if wanted else 0
        self._position += count
        return count

    def read(self, size: int = -1) -> bytes:
        wanted = min(_INPUT_BYTES if size < 0 else size, self._end - self._position)
        data = os.pread(self._descriptor, wanted, self._position)
        self._position += len(data)
        return data

    def close(self) -> None:
        """Leave the descriptor open: it is the caller's."""


class _Decoder(Protocol):
    """What bz2 and lzma decoders have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class _GzipDecoder:
    """zlib's decoder in the shape of the others."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int = 0) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)


class _StandardReader:
    """gz, bz2, lzma, and xz where no liblzma can be loaded: several streams on end are one."""

    def __init__(self, make: Callable[[], _Decoder], source: _Slice) -> None:
        self._make = make
        self._decoder: _Decoder = make()
        self._source = source

    def readinto(self, buffer: memoryview) -> int:
        try:
            data = self._step(len(buffer))
        except (zlib.error, OSError, lzma.LZMAError, ValueError) as error:
            raise ArchiveError(f"compressed data cannot be decoded: {error}") from error
        buffer[: len(data)] = data
        return len(data)

    def _step(self, wanted: int) -> bytes:
        data = b""
        while not data:
            fresh = b""
            if self._decoder.eof:
                fresh = self._decoder.unused_data.lstrip(b"\0") or self._source.read()
                if not fresh:
                    return b""
                self._decoder = self._make()
            elif self._decoder.needs_input:
                fresh = self._source.read()
                if not fresh:
                    raise ArchiveError("compressed data is truncated")
            data = self._decoder.decompress(fresh, wanted)
        return data

    def close(self) -> None:
        pass


class _ZstdReader:
    def __init__(self, source: _Slice) -> None:
        decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX_BYTES)
        self._reader = decoder.stream_reader(
            cast("IO[bytes]", source), read_size=_INPUT_BYTES, read_across_frames=True
        )

    def readinto(self, buffer: memoryview) -> int:
        try:
            return int(self._reader.readinto(buffer))
        except zstandard.ZstdError as error:
            raise ArchiveError(f"zstd data cannot be decoded: {error}") from error

    def close(self) -> None:
        self._reader.close()  # type: ignore[no-untyped-call]  # the library leaves it untyped  # type: ignore[no-untyped-call]  # the library leaves it untyped


def open_member(descriptor: int, member: Member) -> Reader:
    """Return a reader of the member's decompressed bytes; its name's ending says how it is compressed.

    Raises ArchiveError for a compression that dpkg does not know either.
    """
    source = _Slice(descriptor, member)
    ending = member.name.partition(".tar")[2]
    if ending == ".xz":
        chosen = xz.library()
        if chosen is not None:
            return xz.XzReader(chosen, source, bytearray(_INPUT_BYTES))
    if ending in _STANDARD:
        return _StandardReader(_STANDARD[ending], source)
    if ending == ".zst":
        return _ZstdReader(source)
    if ending == "":
        return source
    raise ArchiveError(f"its member {member.name!r} has an unknown compression")


def open_whole(descriptor: int, ending: str) -> Reader:
    """Return a reader of the decompressed bytes of a whole file, compressed as `ending` says."""
    return open_member(descriptor, Member(f"file.tar{ending}", 0, os.fstat(descriptor).st_size))


_STANDARD: Final[dict[str, Callable[[], _Decoder]]] = {
    ".xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY_MAX_BYTES),
    ".lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, _MEMORY_MAX_BYTES),
    ".gz": _GzipDecoder,
    ".bz2": bz2.BZ2Decompressor,
}
