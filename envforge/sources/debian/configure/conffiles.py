"""Removes conffiles from the layer that dpkg put in place and that the layers below show just the same."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from attrs import evolve

from envforge.build.whiteouts import whiteout
from envforge.kernel.tree import Tree
from envforge.sources.debian.configure.unpacking import NEW
from envforge.store.listing import DIRECTORY_MTIME, Entry

_NANOSECONDS: Final = 1_000_000_000
Find = Callable[[bytes], Entry | None]
"""Returns the entry that the layers below show at a path, None if there is none."""


def settle(root: str, entries: Iterable[Entry], waiting: Iterable[bytes], find: Find) -> list[Entry]:
    """Remove the traces of waiting conffiles from the tree at `root`; return the entries that remain.

    A conffile as its package ships it is removed: the farm shows it. One that a script changed stays. One
    that a script removed gets a whiteout: overlayfs made none, as the layer `waiting` hid the farm's file.
    """
    own = {entry.path: entry for entry in entries}
    touched: set[bytes] = set()
    with Tree(root) as tree:
        for path in waiting:
            placed = own.pop(path + NEW, None)
            if placed is not None:
                tree.remove(path + NEW)
                touched.add(os.path.dirname(path))
            if path not in own and placed is not None:
                tree.make_whiteout(path)
                own[path] = whiteout(path)
            elif path in own and _same(own[path], find(path)):
                tree.remove(path)
                del own[path]
                touched.add(os.path.dirname(path))
        _prune(tree, own, touched, find)
    return list(own.values())


def _same(entry: Entry, below: Entry | None) -> bool:
    return below is not None and evolve(entry, link=b"") == evolve(below, link=b"")


def _prune(tree: Tree, own: dict[bytes, Entry], touched: set[bytes], find: Find) -> None:
    """Remove directories that are only there because a file was placed in them; reset mtimes of others."""
    for path in sorted(touched, key=len, reverse=True):
        current = path
        while current != b"/" and current in own and _is_idle(current, own, find):
            tree.remove_directory(current)
            del own[current]
            current = os.path.dirname(current)
        if current in own:
            tree.set_time(current, DIRECTORY_MTIME * _NANOSECONDS)


def _is_idle(path: bytes, own: Mapping[bytes, Entry], find: Find) -> bool:
    prefix = path + b"/"
    return own[path] == find(path) and not any(other.startswith(prefix) for other in own)
