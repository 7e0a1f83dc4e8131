"""Unpacks a cache's archive into a staged layer. The listing decides; the tar gives file contents only.

Runs confined. The listing must hash to the digest that was asked for; each regular member of the tar, in
order, must have the size and SHA-256 of the listing's next file. Names, links, owners and modes in the tar
are ignored. The listing is untrusted too: its paths are checked, nothing is made but directories, files,
links and whiteouts, and the tree starts empty and has no other writer, so each parent is a directory that was
made here, never a link.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

import zstandard
from attrs import evolve

from envforge.archives.bounds import unpacked_max
from envforge.digest import is_sha256
from envforge.errors import IntegrityError
from envforge.store import layers, listing
from envforge.store.listing import DIRECTORY_MTIME, Entry
from envforge.store.scan import OPAQUE
from envforge.whole_file import write_all

_BLOCK: Final = 512
_CHUNK: Final = 1 << 20
_WINDOW_MAX_BYTES: Final = 1 << 27
_HEAD_MAX_BYTES: Final = 1 << 20
"""Of one extended tar header (long names, pax)."""
_NANOSECONDS: Final = 1_000_000_000
_TIME_MAX_S: Final = 1 << 34
_ID_MAX: Final = (1 << 32) - 2
_LATE_BITS: Final = 0o7022
"""Mode bits to set after creating a file: the umask 022 takes some, changing the owner the set-id bits."""
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ATTRIBUTES: Final = (b"security.capability", b"system.posix_acl_access", b"system.posix_acl_default")
_USERS: Final = re.compile(rb"user\.(?!overlay\.)[^\0]+\Z", re.DOTALL)


def unpack(_report: object, place: str, archive: str, digest: str, held: str) -> dict[str, Any]:
    """Stage the layer of that digest at `place/layer`; return what `layers.stage` does.

    Raises IntegrityError for anything but that layer, OSError if the disk refuses something.
    """
    layer = f"{place}/layer"
    os.mkdir(layer, 0o755)
    os.mkdir(f"{layer}/root", 0o700)
    with open(archive, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        contents = Contents(file, f"the archive of layer {digest[:12]}")
        text = contents.read_next(listing.MAX_BYTES)
        if listing.digest(text) != digest:
            raise IntegrityError(f"{contents.name} has another listing")
        entries = listing.load(text)
        if listing.dump(entries) != text:
            raise IntegrityError(f"{contents.name} has a listing that is not in its order")
        check(entries, unpacked_max(size))
        contents.members_max = 4 * len(entries)
        _Writer(os.fsencode(f"{layer}/root"), held).write(entries, contents)
    return layers.stage(layer, entries, text)


def check(entries: Iterable[Entry], most_bytes: int) -> None:
    """Raise IntegrityError for a listing that no build could have written. Pure."""
    kinds: dict[bytes, Entry] = {}
    total = 0
    for entry in entries:
        above = entry.path.rpartition(b"/")[0] or b"/"
        if not kinds:
            fits = entry.path == b"/" and entry.type in {"d", "o"}
        else:
            fits = _is_path(entry.path) and above in kinds and kinds[above].type in {"d", "o"}
        if not fits or entry.path in kinds or not _is_sound(entry, kinds.get(entry.link)):
            raise IntegrityError(f"the listing has {os.fsdecode(entry.path)!r}, which cannot be")
        kinds[entry.path] = entry
        total += entry.size or 0
        if total > most_bytes:
            raise IntegrityError(f"the listing wants more than {most_bytes} bytes")
    if not kinds:
        raise IntegrityError("the listing is empty")


def _is_path(path: bytes) -> bool:
    names = path.split(b"/")
    return names[0] == b"" and b"\0" not in path and not {b"", b".", b".."} & set(names[1:])


def _is_sound(entry: Entry, first: Entry | None) -> bool:
    numbers = (
        0 <= entry.mode <= 0o7777
        and 0 <= entry.uid <= _ID_MAX
        and 0 <= entry.gid <= _ID_MAX
        and 0 <= entry.mtime <= _TIME_MAX_S
        and entry.device is None
    )
    attributes = all(name in _ATTRIBUTES or _USERS.match(name) for name, _ in entry.xattrs)
    match entry.type:
        case "f":
            same = first is not None and evolve(first, path=entry.path, link=entry.link) == entry
            kind = entry.size is not None and entry.size >= 0 and is_sha256(entry.content.decode("latin-1"))
            kind = kind and (same or not entry.link)
        case "l":
            kind = bool(entry.content) and b"\0" not in entry.content and not entry.xattrs and not entry.link
        case "d" | "o" | "w":
            kind = entry.size is None and not entry.content and not entry.link
            kind = kind and entry.mtime == DIRECTORY_MTIME
        case _:
            kind = False
    return numbers and attributes and kind


class Contents:
    """The regular members of a zstd-compressed tar, one after the other."""

    members_max = 16

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX_BYTES)
        self._stream = decompressor.stream_reader(file, read_size=_CHUNK)
        self._buffer = b""
        self._at = 0
        self._members = 0

    def read_next(self, limit: int) -> bytes:
        """Return the next member's bytes, at most `limit`."""
        size = self.next_size()
        if size > limit:
            raise IntegrityError(f"{self.name} has a listing of {size} bytes")
        return b"".join(self.pieces(size))

    def next_size(self) -> int:
        """Go to the next regular member; return its size."""
        while True:
            self._members += 1
            header = self._exactly(_BLOCK)
            kind, size = header[156:157], _number(header[124:136])
            if size < 0 or self._members > self.members_max or header == bytes(_BLOCK):
                raise IntegrityError(f"{self.name} is no archive that a cache has")
            if kind in (b"0", b"\0"):
                return size
            if size > _HEAD_MAX_BYTES:
                raise IntegrityError(f"{self.name} has a member of an odd kind")
            self._exactly(size + -size % _BLOCK)

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield the bytes of the member whose size `next_size` has just returned."""
        left = size
        while left:
            piece = self._exactly(min(left, _CHUNK))
            left -= len(piece)
            yield piece
        self._exactly(-size % _BLOCK)

    def _exactly(self, size: int) -> bytes:
        start, end = self._at, self._at + size
        if end <= len(self._buffer):
            self._at = end
            return self._buffer[start:end]
        begun = self._buffer[start:]
        self._buffer, self._at = self._read(), 0
        return begun + self._exactly(size - len(begun))

    def _read(self) -> bytes:
        try:
            piece = self._stream.read(_CHUNK)
        except zstandard.ZstdError as error:
            raise IntegrityError(f"{self.name} is damaged: {error}") from error
        if not piece:
            raise IntegrityError(f"{self.name} is cut off")
        return piece


def _number(field: bytes) -> int:
    """Return a number of a tar header, octal or base 256 (tar(5)); -1 if it is malformed."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        return -1


class _Writer:
    """Writes a tree from its listing into a directory that starts empty."""

    def __init__(self, root: bytes, held: str) -> None:
        self._root = root
        self._owned = held != "flat"

    def write(self, entries: list[Entry], contents: Contents) -> None:
        for entry in entries:
            path = self._root + entry.path
            match entry.type:
                case "d" | "o":
                    if entry.path != b"/":
                        os.mkdir(path, 0o700)
                case "f" if entry.link:
                    os.link(self._root + entry.link, path, follow_symlinks=False)
                case "f":
                    self._file(path, entry, contents)
                case "l":
                    os.symlink(entry.content, path)
                    self._own(path, entry)
                    _set_time(path, entry.mtime)
                case _:
                    os.mknod(path, stat.S_IFCHR, 0)
        for entry in reversed(entries):
            if entry.type in {"d", "o"}:
                self._directory((self._root + entry.path).rstrip(b"/"), entry)

    def _file(self, path: bytes, entry: Entry, contents: Contents) -> None:
        size = contents.next_size()
        if size != entry.size:
            raise IntegrityError(f"{contents.name}: {os.fsdecode(entry.path)} has another size")
        descriptor = os.open(path, _CREATE, entry.mode & 0o777)
        try:
            found = hashlib.sha256()
            for piece in contents.pieces(size):
                found.update(piece)
                write_all(descriptor, piece)
            if found.hexdigest().encode() != entry.content:
                raise IntegrityError(f"{contents.name}: {os.fsdecode(entry.path)} has other bytes")
            if self._owned and (entry.uid or entry.gid):
                os.fchown(descriptor, entry.uid, entry.gid)
            if entry.mode & _LATE_BITS:
                os.fchmod(descriptor, entry.mode)
            self._attributes(descriptor, entry)
            os.utime(descriptor, ns=(entry.mtime * _NANOSECONDS,) * 2)
        finally:
            os.close(descriptor)

    def _directory(self, path: bytes, entry: Entry) -> None:
        self._own(path, entry)
        os.chmod(path, entry.mode)
        self._attributes(path, entry)
        if entry.type == "o":
            os.setxattr(path, OPAQUE, b"y", follow_symlinks=False)
        _set_time(path, DIRECTORY_MTIME)

    def _own(self, path: bytes, entry: Entry) -> None:
        if self._owned and (entry.uid or entry.gid):
            os.chown(path, entry.uid, entry.gid, follow_symlinks=False)

    def _attributes(self, path: bytes | int, entry: Entry) -> None:
        for name, value in entry.xattrs:
            try:
                os.setxattr(path, name, value)
            except OSError:
                if self._owned:  # held `flat`, only the listing has them, like owners
                    raise


def _set_time(path: bytes, time_s: int) -> None:
    time = time_s * _NANOSECONDS
    os.utime(path, ns=(time, time), follow_symlinks=False)
