"""Scans a tree on disk into listing entries. Runs in a namespace where `lstat` gives inside ids."""

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, Protocol

from attrs import evolve

from envforge.errors import BuildError
from envforge.store.listing import DIRECTORY_MTIME, Entry

TYPES: Final = {
    stat.S_IFREG: "f",
    stat.S_IFLNK: "l",
    stat.S_IFCHR: "c",
    stat.S_IFBLK: "b",
    stat.S_IFIFO: "p",
    stat.S_IFSOCK: "s",
}
_CAPABILITY: Final = b"security.capability"
_ACLS: Final = (b"system.posix_acl_access", b"system.posix_acl_default")
_OVERLAY: Final = b"user.overlay."
OPAQUE: Final = b"user.overlay.opaque"
_HASH_CHUNK: Final = 1 << 20


class Override(Protocol):
    """The true attributes of a path that the disk cannot hold (a tree of a single id). None: as on disk."""

    @property
    def uid(self) -> int:
        """The inside uid."""

    @property
    def gid(self) -> int:
        """The inside gid."""

    @property
    def mode(self) -> int | None:
        """Permission bits."""

    @property
    def type(self) -> str | None:
        """A type of the listing."""

    @property
    def device(self) -> tuple[int, int] | None:
        """Major and minor number, if the type is a device."""

    @property
    def xattrs(self) -> tuple[tuple[bytes, bytes], ...]:
        """Attributes that the disk could not take."""


def scan(root: str, overrides: Mapping[bytes, Override] | None = None) -> list[Entry]:
    """Return the entries of the tree at `root`, its root included, in no particular order.

    Overlay's whiteouts and opaque directories become the types `w` and `o`; its xattrs are left out.
    `overrides` holds the true attributes by absolute inside path; with it every other path is owned by 0:0.
    Raises BuildError for a sparse file larger than the disk: hashing it would take for ever.
    """
    top = os.fsencode(root)
    disk = os.statvfs(root)
    largest = disk.f_blocks * disk.f_frsize
    groups: dict[tuple[int, int], bytes] = {}
    entries: list[tuple[Entry, tuple[int, int] | None]] = []
    for path, full, status in _walk(top):
        if stat.S_ISREG(status.st_mode) and status.st_size > largest:
            raise BuildError(
                f"{os.fsdecode(path)} has {status.st_size} bytes, more than the whole disk",
                hint="a package has made it; leave that out of the spec",
            )
        entry = _entry(path, full, status)
        if status.st_nlink > 1 and entry.type != "d":
            entries.append((entry, (status.st_dev, status.st_ino)))
            first = groups.setdefault((status.st_dev, status.st_ino), path)
            groups[status.st_dev, status.st_ino] = min(first, path)
        else:
            entries.append((entry, None))
    linked = [_with_link(entry, groups.get(inode) if inode else None) for entry, inode in entries]
    if overrides is None:
        return linked
    return [_overridden(entry, overrides.get(entry.path)) for entry in linked]


def _walk(top: bytes) -> Iterator[tuple[bytes, bytes, os.stat_result]]:
    yield b"/", top, os.lstat(top)
    waiting = [(b"", top)]
    while waiting:
        inside, directory = waiting.pop()
        with os.scandir(directory) as children:
            for child in children:
                path = inside + b"/" + child.name
                status = child.stat(follow_symlinks=False)
                yield path, child.path, status
                if stat.S_ISDIR(status.st_mode):
                    waiting.append((path, child.path))


def _entry(path: bytes, full: bytes, status: os.stat_result) -> Entry:
    kind = stat.S_IFMT(status.st_mode)
    mode = stat.S_IMODE(status.st_mode)
    xattrs = read_xattrs(full)
    if kind == stat.S_IFDIR:
        opaque = dict(xattrs).get(OPAQUE) == b"y"
        return Entry(path, "o" if opaque else "d", mode, status.st_uid, status.st_gid, xattrs=_kept(xattrs))
    if kind == stat.S_IFCHR and status.st_rdev == 0:
        return Entry(path, "w", 0, 0, 0, DIRECTORY_MTIME)
    common = (mode, status.st_uid, status.st_gid, int(status.st_mtime))
    if kind == stat.S_IFREG:
        return Entry(
            path, "f", *common, size=status.st_size, content=hash_file(full).encode(), xattrs=_kept(xattrs)
        )
    if kind == stat.S_IFLNK:
        return Entry(path, "l", *common, content=os.readlink(full))
    device = (
        (os.major(status.st_rdev), os.minor(status.st_rdev)) if kind in {stat.S_IFCHR, stat.S_IFBLK} else None
    )
    return Entry(path, TYPES[kind], *common, device=device, xattrs=_kept(xattrs))


def _with_link(entry: Entry, first: bytes | None) -> Entry:
    if first is None or first == entry.path:
        return entry
    return evolve(entry, link=first)


def _overridden(entry: Entry, override: Override | None) -> Entry:
    if entry.type == "w":
        return entry
    if override is None:
        return evolve(entry, uid=0, gid=0)
    changes: dict[str, Any] = {"uid": override.uid, "gid": override.gid}
    if override.mode is not None:
        changes["mode"] = override.mode
    if override.type is not None:
        changes |= {"type": override.type, "device": override.device, "size": None, "content": b""}
    if override.xattrs:
        merged = dict(entry.xattrs) | dict(override.xattrs)
        changes["xattrs"] = tuple(sorted(merged.items()))
    return evolve(entry, **changes)


def read_xattrs(path: bytes | str, *, follow: bool = False) -> tuple[tuple[bytes, bytes], ...]:
    """Return all extended attributes of `path` itself, sorted by name; with `follow` of what it leads to."""
    names = os.listxattr(path, follow_symlinks=follow)
    return tuple(
        (os.fsencode(name), os.getxattr(path, name, follow_symlinks=follow)) for name in sorted(names)
    )


def kept_xattrs(path: bytes | str, *, follow: bool = False) -> tuple[tuple[bytes, bytes], ...]:
    """Return the extended attributes that a listing has, sorted by name; `follow` as for `read_xattrs`."""
    return _kept(read_xattrs(path, follow=follow))


def _kept(xattrs: Collection[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name, _plain(name, value)) for name, value in xattrs if _counts(name))


def _counts(name: bytes) -> bool:
    return (
        name == _CAPABILITY or name in _ACLS or (name.startswith(b"user.") and not name.startswith(_OVERLAY))
    )


def _plain(name: bytes, value: bytes) -> bytes:
    """Return file capabilities as revision 2, without the root id of revision 3 (linux/capability.h)."""
    if name == _CAPABILITY and len(value) == 24:
        return bytes((value[0], value[1], value[2], 2)) + value[4:20]
    return value


def hash_file(path: bytes | str) -> str:
    """Return the SHA-256 of a file's bytes, 64 hex digits."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        while chunk := os.read(descriptor, _HASH_CHUNK):
            digest.update(chunk)
    finally:
        os.close(descriptor)
    return digest.hexdigest()
