"""If a script gave one of our temporary stand-ins another mode or owner, the real content is put back."""

import os
import stat
from collections.abc import Iterator, Sequence
from typing import Final

from envforge.errors import BuildError
from envforge.kernel.tree import Tree

_OWN_LAYER: Final = ("/var/lib/dpkg", "/var/lib/apt")
"""Databases that scripts may change: dpkg's is read from the upper directory, then both leave the layer."""


def uncover(upper: str, scaffold: str, lowers: Sequence[str]) -> None:
    """Give each copy of a file of `scaffold` in `upper` the content that its path has in `lowers`.

    Mode and owner stay as the script set them. Raises BuildError if a script changed the content.
    """
    with Tree(upper) as tree, Tree(scaffold) as stand_ins:
        for inside in _files(scaffold):
            status = tree.stat(inside, follow=False)
            if status is None or not stat.S_ISREG(status.st_mode):
                continue
            if tree.read(inside, follow=False) != stand_ins.read(inside, follow=False):
                raise BuildError(
                    f"configuring changed {inside}, for which something else stood in meanwhile",
                    hint="please report it: the package needs a quirk of its own",
                )
            _put_back(tree, inside, lowers)


def _files(scaffold: str) -> Iterator[str]:
    """Yield the paths, absolute inside, of the scaffold's files outside the database."""
    for directory, _, files in os.walk(scaffold):
        inside = directory.removeprefix(scaffold)
        if not inside.startswith(_OWN_LAYER):
            yield from (f"{inside}/{name}" for name in files)


def _put_back(tree: Tree, inside: str, lowers: Sequence[str]) -> None:
    """Give a file the content and mtime that it has in the topmost of `lowers`; remove it if none has it."""
    for lower in lowers:
        with Tree(lower) as real:
            status = real.stat(inside)
            if status is not None and stat.S_ISREG(status.st_mode):
                tree.overwrite(inside, real.read(inside))
                tree.set_time(inside, status.st_mtime_ns)
                return
    tree.remove(inside)
