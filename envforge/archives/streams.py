"""Streaming decompression of a part of a file: gz, bz2, lzma, xz, zstd, or uncompressed.

Nothing is read whole into memory, and a decoder's memory is bounded.
"""

import bz2
import lzma
import os
import zlib
from collections.abc import Callable
from typing import IO, Final, Protocol, cast

import zstandard

from envforge.archives import xz
from envforge.errors import ArchiveError

_INPUT_BYTES: Final = 256 << 10
_WINDOW_MAX_BYTES: Final = 128 << 20
_MEMORY_MAX_BYTES: Final = 160 << 20
_HEAD_BYTES: Final = 6
_MAGIC: Final = (
    (b"\x1f\x8b", ".gz"),
    (b"\xfd7zXZ\0", ".xz"),
    (b"\x28\xb5\x2f\xfd", ".zst"),
    (b"BZh", ".bz2"),
)


class Reader(Protocol):
    """A stream of decompressed bytes."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill the start of `buffer`; return how many bytes, 0 at the end. Raises ArchiveError."""

    def close(self) -> None:
        """Free what the decoder holds."""


class _Slice:
    """One part of a file. It keeps its own position and uses pread, so threads may share the descriptor."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self._descriptor = descriptor
        self._position = offset
        self._end = offset + size

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


class _Pipe:
    """A pipe, read from its beginning to its end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.head = b""
        """What was read ahead, and is not handed on yet."""
        while len(self.head) < _HEAD_BYTES and (piece := os.read(descriptor, _HEAD_BYTES - len(self.head))):
            self.head += piece

    def readinto(self, buffer: memoryview) -> int:
        if not self.head:
            return os.readv(self._descriptor, [buffer])
        count = min(len(buffer), len(self.head))
        buffer[:count], self.head = self.head[:count], self.head[count:]
        return count

    def read(self, size: int = -1) -> bytes:
        data, self.head = self.head, b""
        return data or os.read(self._descriptor, _INPUT_BYTES if size < 0 else size)

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
    """zlib's decoder with the interface of bz2's and lzma's."""

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
    """Reader of gz, bz2, lzma, and of xz without a liblzma; concatenated streams read as one."""

    def __init__(self, make: Callable[[], _Decoder], source: "_Slice | _Pipe") -> None:
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
    def __init__(self, source: "_Slice | _Pipe") -> None:
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
        self._reader.close()  # type: ignore[no-untyped-call]  # the library leaves it untyped


def open_part(descriptor: int, compression: str, offset: int = 0, size: int | None = None) -> Reader:
    """Return a reader of the decompressed bytes of a part of a file; without a size, up to the file's end.

    `compression` is a suffix: `.gz`, `.bz2`, `.lzma`, `.xz`, `.zst` or empty; ArchiveError for any other.
    """
    source = _Slice(descriptor, offset, os.fstat(descriptor).st_size - offset if size is None else size)
    if compression == ".xz":
        chosen = xz.library()
        if chosen is not None:
            return xz.XzReader(chosen, source, bytearray(_INPUT_BYTES))
    if compression in _STANDARD:
        return _StandardReader(_STANDARD[compression], source)
    if compression == ".zst":
        return _ZstdReader(source)
    if compression == "":
        return source
    raise ArchiveError(f"it has the unknown compression {compression!r}")


def open_pipe(descriptor: int) -> Reader:
    """Return a reader of what comes through a pipe, decompressed by what its first bytes say."""
    source = _Pipe(descriptor)
    compression = compression_of(source.head)
    if compression in _STANDARD:
        return _StandardReader(_STANDARD[compression], source)
    return _ZstdReader(source) if compression == ".zst" else source


def compression_of(head: bytes) -> str:
    """Return the suffix of the compression that a file begins with, empty for none that is known."""
    return next((ending for magic, ending in _MAGIC if head.startswith(magic)), "")


_STANDARD: Final[dict[str, Callable[[], _Decoder]]] = {
    ".xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY_MAX_BYTES),
    ".lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, _MEMORY_MAX_BYTES),
    ".gz": _GzipDecoder,
    ".bz2": bz2.BZ2Decompressor,
}
