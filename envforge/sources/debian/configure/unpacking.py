"""Hides from scripts what dpkg would not have unpacked yet: a farm has every file from the start.

    below        layers that are configured already
    hidden       whiteouts of packages whose preinst has not run yet: nothing of theirs is there
    waiting      for each conffile of a package that is not configured yet: a whiteout, and PATH.dpkg-new,
                 which dpkg itself renames when it configures the package
    farm

Neither gets into the layer. dpkg's archives.c (tarobject) and configure.c (deferred_configure_conffile).
"""

import os
import stat
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from attrs import frozen

from envforge.build.parents import match_below
from envforge.kernel.tree import Tree
from envforge.sources.debian.dpkg.facts import Conffile
from envforge.sources.debian.dpkg.names import merged
from envforge.sources.debian.recipes.plan import Package
from envforge.store import listing

NEW: Final = b".dpkg-new"


@frozen
class Farm:
    """The farm of a step: where it lies, and its listing."""

    root: str
    lines: Mapping[bytes, bytes]
    """Its listing: each path's line."""
    chown: bool
    """The disk holds the true owners."""

    def has(self, path: bytes, kind: bytes) -> bool:
        """Return whether the farm has something of that type (`d`, `f`) at `path`."""
        return self.lines.get(path, b"").startswith(kind + b" ")


def lay_conffiles(root: str, farm: Farm, configure: Iterable[Package], taken: Tree) -> tuple[bytes, ...]:
    """Fill the layer `waiting` at `root`; return the paths of the conffiles that wait in it.

    `configure` are the packages that are not configured yet. A conffile with a stand-in in `taken`, the
    scaffold, does not wait.
    """
    waiting: dict[bytes, None] = {}
    with Tree(root) as tree, Tree(farm.root) as source:
        for package in configure:
            for conffile in package.facts.conffiles:
                path = place(conffile)
                there = farm.has(path, b"f") and farm.has(os.path.dirname(path), b"d")
                if there and conffile.md5 and path not in waiting and not taken.holds(path):
                    tree.make_whiteout(path)
                    _copy(tree, path + NEW, source, path, chown=farm.chown)
                    waiting[path] = None
    _match(root, farm)
    return tuple(waiting)


def place(conffile: Conffile) -> bytes:
    """Return a conffile's path under merged /usr."""
    return b"/" + merged(os.fsencode(conffile.path)[1:], "file")


def lay_hidden(
    root: str,
    farm: Farm,
    packages: Mapping[str, Package],
    hidden: Collection[str],
    waiting: Collection[bytes],
) -> frozenset[bytes]:
    """Fill the layer at `root` with whiteouts of paths that only the `hidden` packages have; return these."""
    own = paths(packages[name] for name in hidden)
    conffiles = {path + NEW for path in waiting} & {path + NEW for path in own}
    shared = own & paths(package for name, package in packages.items() if name not in hidden)
    gone: set[bytes] = set()
    with Tree(root) as tree:
        for path in sorted((own - shared) | conffiles):
            above = os.path.dirname(path)
            if above in gone:
                gone.add(path)
            elif farm.has(above, b"d"):
                gone.add(path)
                tree.make_whiteout(path)
    _match(root, farm)
    return own - shared


def paths(packages: Iterable[Package]) -> frozenset[bytes]:
    """Return the paths of packages' files and directories under merged /usr."""
    return frozenset(
        raw if raw.startswith(b"/usr/") else b"/" + merged(raw[1:], "directory")
        for package in packages
        for raw in map(os.fsencode, package.facts.files)
    )


def _match(root: str, farm: Farm) -> None:
    """Give the directories of a layer over the farm the owners and modes of the farm's."""
    top = os.fsencode(root)
    for directory, _, _ in os.walk(top):
        line = farm.lines.get(directory[len(top) :] or b"/")
        match_below(directory, listing.parse_entry(line) if line else None, chown=farm.chown)


def _copy(tree: Tree, path: bytes, source: Tree, source_path: bytes, *, chown: bool) -> None:
    """Copy a file with its mode, mtime and, if the disk holds it, owner. A hard link cannot cross mounts."""
    status = source.stat(source_path, follow=False)
    assert status is not None
    mode = stat.S_IMODE(status.st_mode)
    tree.write(path, source.read(source_path, follow=False), mode=mode)
    if chown and (status.st_uid, status.st_gid) != (0, 0):
        tree.chown(path, status.st_uid, status.st_gid, mode)
    tree.set_time(path, status.st_mtime_ns)
