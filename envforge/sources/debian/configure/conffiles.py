"""Conffiles that dpkg placed while it configured: what is the package's own file again leaves the layer."""

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
"""Gives the entry that the layers beneath show at a path."""


def settle(root: str, entries: Iterable[Entry], waiting: Iterable[bytes], find: Find) -> list[Entry]:
    """Take what the waiting conffiles left out of the tree at `root`; return the entries that remain.

    A conffile as its package ships it shows from below; one that a script removed gets a whiteout, as dpkg's
    rename left none; one that a script changed stays.
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
    """Remove directories that are there only because something was placed in them; settle others' times."""
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
