"""Rewrites a configured layer's deletions as whiteouts of single paths, for its use over larger farms later.

An opaque directory, or a whiteout of a path that no lower layer has, would hide what other packages put there
later. Overlayfs makes a directory opaque by itself when dpkg renames it into place. All pure but `apply`.
Kernel: filesystems/overlayfs.rst, "whiteouts and opaque directories".
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import evolve, frozen

from envforge.kernel.tree import Tree
from envforge.store.listing import DIRECTORY_MTIME, Entry
from envforge.store.scan import OPAQUE


@frozen
class Changes:
    """Changes after which a tree's whiteouts name every hidden path singly."""

    plain: tuple[bytes, ...] = ()
    """Directories to make non-opaque."""
    added: tuple[bytes, ...] = ()
    """Whiteouts to make."""
    dropped: tuple[bytes, ...] = ()
    """Whiteouts to remove, of paths that no lower layer has."""


def explicit(
    entries: Sequence[Entry], there: Callable[[bytes], bool], shown: Callable[[], Mapping[bytes, Entry]]
) -> Changes:
    """Return the changes after which no directory is opaque, and every whiteout hides an existing path.

    `there` says whether one of the lower layers has a path; `shown` returns their merged entries, and is only
    called if a directory is opaque.
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
