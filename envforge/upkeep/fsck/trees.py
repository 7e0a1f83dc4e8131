"""Compares trees and layers on disk with their listings. Jobs of confined workers; nothing is written.

The fast way looks at `lstat`, link targets and the few attributes that a listing has. The full way reads
every file and all attributes, each inode once: `verified` are inodes whose bytes and attributes were found
right before. (An inode with attributes is read for each of its names: there are few.)
Listings are compared line by line as text: making values of all paths would take most of the time.
"""

import base64
import hashlib
import json
import os
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from envforge.build.workers import Report
from envforge.errors import IntegrityError
from envforge.kernel.tree import Tree
from envforge.sources import registry
from envforge.store import blobs, listing
from envforge.store.layout import Store
from envforge.store.scan import OPAQUE, kept_xattrs

_TYPES: Final = {
    b"d": stat.S_IFDIR,
    b"o": stat.S_IFDIR,
    b"f": stat.S_IFREG,
    b"l": stat.S_IFLNK,
    b"c": stat.S_IFCHR,
    b"b": stat.S_IFBLK,
    b"p": stat.S_IFIFO,
    b"s": stat.S_IFSOCK,
    b"w": stat.S_IFCHR,
}
_CHUNK: Final = 1 << 20
_FOUND_MAX: Final = 1000
"""Of one tree: a damage of more paths is not told path by path."""
INODE: Final = struct.Struct("<Q32s")
"""The number of an inode without attributes, and the SHA-256 of its bytes."""
verified: Final[dict[str, dict[int, bytes]]] = {}
"""By the name of a check: workers that are started later inherit what earlier ones have read."""

Found = tuple[bytes, str]
"""A path, and what is wrong with it."""
Target = tuple[str, str, str]
"""`trees` or `layers`, the ownership mode, the name."""


def check_trees(
    _report: Report,
    _place: str,
    store: Store,
    check: str,
    targets: Sequence[Target],
    full: bool,  # noqa: FBT001
) -> list[dict[str, Any]]:
    """Check trees and layers; return for each what is wrong, and how much was looked at."""
    return [_check_one(store, check, target, full=full) for target in targets]


def _check_one(store: Store, check: str, target: Target, *, full: bool) -> dict[str, Any]:
    kind, held, name = target
    directory = store.layer(held, name) if kind == "layers" else store.tree(held, name)
    job = _Comparison(flat=held == "flat", known=verified.get(check, {}) if full else None)
    found = list(_wrong(job, store, directory, kind, name))
    if found and not os.path.isdir(directory):
        found = []  # it was removed meanwhile: not a damage but a garbage collection
    return {
        "found": [[os.fsdecode(path), problem] for path, problem in found[:_FOUND_MAX]],
        "more": max(0, len(found) - _FOUND_MAX),
        "files": job.files,
        "read_bytes": job.read_bytes,
        "inodes": base64.b64encode(b"".join(job.inodes)).decode() if kind == "trees" else "",
    }


def _wrong(job: "_Comparison", store: Store, directory: str, kind: str, name: str) -> Iterator[Found]:
    try:
        with Tree(directory) as tree:
            text = tree.read("/listing", limit=listing.MAX_BYTES, follow=False)
            parts = {b"root", b"listing", *([b"control"] if kind == "trees" else [])}
            yield from ((b"/" + extra, "new") for extra in tree.names() if extra not in parts)
            missing = [part for part in sorted(parts) if not tree.holds(b"/" + part)]
            whole = tree.is_plain_directory("/root")
    except OSError:
        yield b"/", "listing"
        return
    if kind == "layers" and listing.digest(text) != name:
        yield b"/", "listing"
        return
    if missing or not whole:
        yield b"/", "missing"
        return
    try:
        yield from job.differences(text, os.fsencode(f"{directory}/root"))
    except (ValueError, KeyError):
        yield b"/", "listing"
    if kind == "trees":
        yield from _wrong_control(job, store, f"{directory}/control", name)


def _wrong_control(job: "_Comparison", store: Store, directory: str, name: str) -> Iterator[Found]:
    """Compare a tree's control files with the archive's facts."""
    try:
        with open(store.facts(name), "rb") as file:
            data = file.read()
        members = json.loads(data)["members"]
        digests = {os.fsencode(member): sha256.encode() for member, sha256 in members.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        yield b"/control", "facts"
        return
    if job.known is not None and not registry.reads_facts(data):
        yield b"/control", "facts"
    with Tree(directory) as tree:
        names = tree.names()
        yield from ((b"/control/" + one, "new") for one in names if one not in digests)
        for member, sha256 in digests.items():
            path = b"/" + member
            status = tree.stat(path, follow=False)
            if status is None or not stat.S_ISREG(status.st_mode):
                yield b"/control" + path, "missing"
            elif job.known is not None and job.sha256(os.fsencode(directory) + path, status) != sha256:
                yield b"/control" + path, "content"


class _Comparison:
    """One tree's comparison, and how much it looked at."""

    def __init__(self, *, flat: bool, known: Mapping[int, bytes] | None) -> None:
        self.flat = flat
        self.known = known
        """Inodes that were read before; None for the fast way."""
        self.files = 0
        self.read_bytes = 0
        self.inodes: list[bytes] = []

    def differences(self, text: bytes, root: bytes) -> Iterator[Found]:
        """Yield each path that differs from its line. Raises ValueError for a broken listing."""
        if not text.startswith(listing.HEADER) or not text.endswith(b"\n"):
            raise ValueError("a listing without its first or last line")
        on_disk, unreadable = walk(root)
        self.files += len(on_disk)
        yield from ((path, "unreadable") for path in unreadable)
        for line in text.split(b"\n")[1:-1]:
            fields = line.split(b" ")
            path = listing.unescape(fields[-1])
            status = on_disk.pop(path, None)
            problem = self._problem(fields, root + path, status)
            if problem:
                yield path, problem
        yield from ((path, "new") for path in on_disk)

    def _problem(self, fields: Sequence[bytes], full: bytes, status: os.stat_result | None) -> str:
        """Return one word for what differs, nothing if all is well."""
        kind, mode, uid, gid, *_ = fields
        if self.flat and kind in b"cb":
            return ""  # a placeholder, if anything
        if status is None:
            return "missing"
        if stat.S_IFMT(status.st_mode) != _TYPES[kind] or (kind == b"w" and status.st_rdev != 0):
            return "type"
        if not self.flat and kind != b"w":
            if stat.S_IMODE(status.st_mode) != int(mode, 8):
                return "mode"
            if (status.st_uid, status.st_gid) != (int(uid), int(gid)):
                return "owner"
        return self._inside_problem(fields, full, status) if kind != b"w" else ""

    def _inside_problem(self, fields: Sequence[bytes], full: bytes, status: os.stat_result) -> str:
        kind, _, _, _, mtime, size, content, _, xattrs, _ = fields
        is_shared = self.known is not None and kind == b"f" and status.st_nlink > 1 and xattrs == b"-"
        if is_shared and self._is_known(content, status):
            return self._outer_problem(mtime, size, status)
        try:
            problem = self._content_problem(kind, size, content, full, status) or self._other_problem(
                kind, mtime, xattrs, full, status
            )
        except OSError:
            return "unreadable"
        if is_shared and not problem:
            self.inodes.append(INODE.pack(status.st_ino, bytes.fromhex(content.decode("ascii"))))
        return problem

    def _is_known(self, content: bytes, status: os.stat_result) -> bool:
        """Return whether these bytes, and no attributes, were found under another name of the inode."""
        known = self.known.get(status.st_ino) if self.known else None
        return known is not None and known.hex().encode() == content

    @staticmethod
    def _outer_problem(mtime: bytes, size: bytes, status: os.stat_result) -> str:
        """Return what differs of a file whose inside is known."""
        if status.st_size != int(size):
            return "size"
        return "time" if int(status.st_mtime) != int(mtime) else ""

    def _content_problem(
        self, kind: bytes, size: bytes, content: bytes, full: bytes, status: os.stat_result
    ) -> str:
        if kind == b"f":
            if status.st_size != int(size):
                return "size"
            if self.known is not None and self.sha256(full, status) != content:
                return "content"
        elif kind == b"l":
            if os.readlink(full) != listing.unescape(content):
                return "content"
        elif kind in b"cb" and size != b"%d:%d" % (os.major(status.st_rdev), os.minor(status.st_rdev)):
            return "content"
        return ""

    def _other_problem(
        self, kind: bytes, mtime: bytes, xattrs: bytes, full: bytes, status: os.stat_result
    ) -> str:
        if int(status.st_mtime) != int(mtime):
            return "time"
        if kind == b"o" and os.getxattr(full, OPAQUE) != b"y":
            return "attributes"
        if (self.known is not None or xattrs != b"-") and not self.flat:
            found = b",".join(listing.format_xattr(*one) for one in kept_xattrs(full)) or b"-"
            if found != xattrs:
                return "attributes"
        return ""

    def sha256(self, full: bytes, status: os.stat_result) -> bytes:
        """Return the SHA-256 of a file's bytes as hex digits. Raises OSError."""
        found = hashlib.sha256()
        descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            left = status.st_size
            while left > 0 and (data := os.read(descriptor, min(left, _CHUNK))):
                found.update(data)
                left -= len(data)
        finally:
            os.close(descriptor)
        self.read_bytes += status.st_size
        return found.hexdigest().encode()


def walk(root: bytes) -> tuple[dict[bytes, os.stat_result], list[bytes]]:
    """Return the status of every path below `root`, and the directories that could not be read."""
    found = {b"/": os.lstat(root)}
    unreadable = []
    waiting = [b""]
    while waiting:
        inside = waiting.pop()
        try:
            with os.scandir(root + inside) as children:
                for child in children:
                    path = b"%s/%s" % (inside, child.name)
                    found[path] = status = child.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append(path)
        except OSError:
            unreadable.append(inside or b"/")
    return found, unreadable


def check_blobs(_report: Report, _place: str, store: Store, names: Sequence[str]) -> list[list[str]]:
    """Read blobs; return the name of each one that has other bytes, and what is wrong with it."""
    return [[name, problem] for name in names if (problem := _blob_problem(store, name))]


def _blob_problem(store: Store, name: str) -> str:
    path = store.blob(name)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            blobs.check(descriptor, name, path)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return ""  # removed meanwhile
    except IntegrityError:
        return "content"
    except OSError:
        return "unreadable"
    return ""
