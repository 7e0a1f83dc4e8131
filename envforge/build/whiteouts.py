"""Writes what a configuration removed as whiteouts of single paths: later its layer lies over larger farms.

An opaque directory, or a whiteout of something that was never there, would hide whatever other packages have
in its place. Overlay makes such directories by itself, for every directory that dpkg renames into place. All
pure but `apply`. Kernel: filesystems/overlayfs.rst, "whiteouts and opaque directories".
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import evolve, frozen

from envforge.kernel.tree import Tree
from envforge.store.listing import DIRECTORY_MTIME, Entry
from envforge.store.scan import OPAQUE


@frozen
class Changes:
    """What is to be done with a tree so that it says the same path by path."""

    plain: tuple[bytes, ...] = ()
    """Directories that are opaque no longer."""
    added: tuple[bytes, ...] = ()
    """New whiteouts."""
    dropped: tuple[bytes, ...] = ()
    """Whiteouts of what was never there."""


def explicit(
    entries: Sequence[Entry], there: Callable[[bytes], bool], shown: Callable[[], Mapping[bytes, Entry]]
) -> Changes:
    """Return the changes after which no directory is opaque, and every whiteout hides what was there.

    `there` says whether one of the lower layers has a path; `shown` gives what they show, and is only asked
    where a directory is opaque.
    """
    dropped = tuple(entry.path for entry in entries if entry.type == "w" and not there(entry.path))
    opaque = tuple(sorted(entry.path for entry in entries if entry.type == "o"))
    if not opaque:
        return Changes(dropped=dropped)
    own = {entry.path: entry for entry in entries}
    return Changes(opaque, tuple(_hidden(opaque, own, shown())), dropped)


def _hidden(
    opaque: Iterable[bytes], own: Mapping[bytes, Entry], shown: Mapping[bytes, Entry]
) -> Iterable[bytes]:
    """Yield the topmost paths of `shown` that only an opaque directory hides."""
    prefixes = tuple(path.rstrip(b"/") + b"/" for path in opaque)
    hidden: set[bytes] = set()
    for path in sorted(shown):
        if not path.startswith(prefixes) or path in own:
            continue
        above = os.path.dirname(path)
        if above in hidden:
            hidden.add(path)
        elif above in own and own[above].type in {"d", "o"}:
            hidden.add(path)
            yield path


def applied(entries: Iterable[Entry], changes: Changes) -> list[Entry]:
    """Return the entries of the tree after the changes."""
    kept = (entry for entry in entries if entry.path not in changes.dropped)
    plain = [evolve(entry, type="d") if entry.path in changes.plain else entry for entry in kept]
    return plain + [whiteout(path) for path in changes.added]


def whiteout(path: bytes) -> Entry:
    """Return the entry of a whiteout."""
    return Entry(path, "w", 0, 0, 0, DIRECTORY_MTIME)


def apply(root: str, changes: Changes) -> None:
    """Change the tree at `root`."""
    with Tree(root) as tree:
        for path in changes.dropped:
            tree.remove(path)
        for path in changes.plain:
            tree.drop_attribute(path, OPAQUE)
        for path in changes.added:
            tree.make_whiteout(path)
