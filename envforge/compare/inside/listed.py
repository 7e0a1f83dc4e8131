"""Lists what a container has changed, in a confined child: a listing to lie over those of its layers.

Sizes are bounded, as whoever is inside decides them: of files beyond a sum the bytes are not read, so they
count as changed, and what is too much altogether is an error. Only regular files are opened.
"""

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

from envforge.compare.sides import Inside, LayerName
from envforge.errors import SandboxError
from envforge.kernel.reading import ReadTree
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.confined.merged import Merged, is_opaque, is_whiteout
from envforge.sandbox.ids import identity as identities
from envforge.sandbox.ids.identity import RANGE_IDS
from envforge.store import listing
from envforge.store.listing import DIRECTORY_MTIME, Entry
from envforge.store.scan import TYPES, kept_xattrs

_PATHS_MAX: Final = 500_000
_LISTING_MAX_BYTES: Final = 100 << 20
_READ_MAX_BYTES: Final = 4 << 30
"""Of all files together."""
_CHUNK: Final = 1 << 20
_MODE, _UID, _GID, _LINK, _XATTRS = 1, 2, 3, 7, 8
"""Places of fields in a listing's line. Overlayfs breaks hard links, so they are taken for the same."""

_Line = tuple[str, int, list[int]]
"""A listing's line, which layer has the path below (-1: none), the fields that are the same there on disk."""


def lay(
    inside: Inside, layers: Sequence[LayerName], indexes: Sequence[Mapping[bytes, bytes]]
) -> tuple[bytes, list[str]]:
    """Return the listing of what is changed over layers with these lines, and notes on what was left out.

    A path's owner, mode and attributes are those of the layer's listing as long as they are as on its disk: a
    disk cannot hold all that a listing says. Raises SandboxError.
    """
    found, unread, too_deep = _found(inside, layers)
    lines = [_true(line.encode("latin-1"), _below(indexes, layer, line), same) for line, layer, same in found]
    return listing.HEADER + b"".join(line + b"\n" for line in lines), _notes(unread, too_deep)


def _found(inside: Inside, layers: Sequence[LayerName]) -> tuple[list[_Line], int, int]:
    if not os.path.isdir(inside.upper):
        return [], 0, 0  # it was never started
    roots = inside.roots(tuple(layers))
    view = View.of(readable=roots, every_id=True)
    try:
        lines, unread, too_deep = call_confined(
            identities.detect(), view, _list, roots[0], roots[1:], list(inside.owner)
        )
    except OSError as error:
        raise SandboxError(
            f"what changed inside cannot be read: {error.filename or inside.upper}: {error.strerror}",
            hint="is it being removed? `envforge ps -a` lists containers",
        ) from error
    return [(str(line), int(layer), list(map(int, same))) for line, layer, same in lines], unread, too_deep


def _below(indexes: Sequence[Mapping[bytes, bytes]], layer: int, line: str) -> bytes | None:
    path = listing.unescape(line[line.rfind(" ") + 1 :].encode("latin-1"))
    return indexes[layer].get(path) if 0 <= layer < len(indexes) else None


def _true(line: bytes, below: bytes | None, same: Sequence[int]) -> bytes:
    """Return a line with these fields as the line below has them."""
    if below is None or not same:
        return line
    fields, known = line.split(b" "), below.split(b" ")
    for number in same:
        fields[number] = known[number]
    return b" ".join(fields)


def _notes(unread: int, too_deep: int) -> list[str]:
    notes = []
    if unread:
        notes.append(f"files inside that are too large to be read, and so count as changed: {unread:,}")
    if too_deep:
        notes.append(f"paths inside that are too long, with what is below them left out: {too_deep:,}")
    return notes


# What follows runs in the confined child


def _list(upper: str, layers: Sequence[str], owner: Sequence[int]) -> tuple[list[_Line], int, int]:
    found: list[_Line] = []
    too_deep: list[bytes] = []
    reader = _Reader(owner)
    size = 0
    with ExitStack() as opened:
        tree = opened.enter_context(ReadTree(upper))
        trees = [opened.enter_context(ReadTree(layer)) for layer in layers]
        below = Merged(trees)
        for path, status, handle in tree.walk(too_deep):
            if path == b"/":
                continue  # it is made anew, and the same in each
            entry = reader.entry(tree, path, status, handle)
            text = listing.format_entry(entry).decode("latin-1").rstrip("\n")
            size += len(text)
            if len(found) >= _PATHS_MAX or size > _LISTING_MAX_BYTES:
                raise SandboxError(
                    f"more has changed inside than can be compared: over {len(found):,} paths",
                    hint="`envforge diff --level package` needs no files",
                )
            there = None if entry.type == "w" else below.stat(path)
            if there is None:
                found.append((text, -1, []))
            else:
                found.append((text, there[0], reader.same(entry, trees[there[0]], path, there[1], status)))
    return found, reader.unread, len(too_deep)


class _Reader:
    """Makes entries of an upper directory; counts what it reads."""

    def __init__(self, owner: Sequence[int]) -> None:
        self._owner = owner
        self._left = _READ_MAX_BYTES
        self.unread = 0

    def entry(self, tree: ReadTree, path: bytes, status: os.stat_result, handle: str) -> Entry:
        """Return what a listing says of it; the content is empty where that is too much to read."""
        if is_whiteout(status):
            return Entry(path, "w", 0)
        mode = stat.S_IMODE(status.st_mode)
        uid, gid = (_id(*pair) for pair in zip((status.st_uid, status.st_gid), self._owner, strict=True))
        common: dict[str, Any] = {"mode": mode, "uid": uid, "gid": gid}
        if stat.S_ISLNK(status.st_mode):
            target = tree.link_target(path) or b""
            return Entry(path, "l", mtime=int(status.st_mtime), content=target, **common)
        common["xattrs"] = _xattrs(handle)
        if stat.S_ISDIR(status.st_mode):
            return Entry(path, "o" if is_opaque(tree, path) else "d", mtime=DIRECTORY_MTIME, **common)
        common["mtime"] = int(status.st_mtime)
        if stat.S_ISREG(status.st_mode):
            content = self._hash(handle, status.st_size).encode()
            return Entry(path, "f", size=status.st_size, content=content, **common)
        kind = stat.S_IFMT(status.st_mode)
        device = None
        if kind in {stat.S_IFCHR, stat.S_IFBLK}:
            device = (os.major(status.st_rdev), os.minor(status.st_rdev))
        return Entry(path, TYPES[kind], device=device, **common)

    def _hash(self, handle: str, size: int) -> str:
        if size > self._left:
            self.unread += 1
            return ""
        self._left -= size
        digest = hashlib.sha256()
        descriptor = os.open(handle, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            while size > 0 and (chunk := os.read(descriptor, min(size, _CHUNK))):
                digest.update(chunk)
                size -= len(chunk)  # whoever runs inside may make it longer meanwhile
        finally:
            os.close(descriptor)
        return digest.hexdigest()

    def same(
        self, entry: Entry, layer: ReadTree, path: bytes, there: os.stat_result, here: os.stat_result
    ) -> list[int]:
        """Return which fields have on disk what the layer below has there."""
        found = [_LINK]
        if stat.S_IMODE(there.st_mode) == entry.mode:
            found.append(_MODE)
        if (there.st_uid, there.st_gid) == (entry.uid, entry.gid):
            found += [_UID, _GID]
        if stat.S_IFMT(there.st_mode) == stat.S_IFMT(here.st_mode) and not stat.S_ISLNK(here.st_mode):
            descriptor = layer.look(path, follow=False)
            try:
                if _xattrs(f"/proc/self/fd/{descriptor}") == entry.xattrs:
                    found.append(_XATTRS)
            finally:
                os.close(descriptor)
        return found


def _xattrs(handle: str) -> tuple[tuple[bytes, bytes], ...]:
    try:
        return kept_xattrs(handle, follow=True)
    except OSError:
        return ()  # not on such a file, or it has changed this moment


def _id(number: int, first: int) -> int:
    """Return an id on disk as the sandbox has it, whose root is `first` there."""
    return number - first if first <= number < first + RANGE_IDS else number
