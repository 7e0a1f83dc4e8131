"""Refuses private keys that configuring made: anyone may read a layer.

A key that a package ships is public already, and so are copies of it, and bytecode of a module that holds it.
"""

import os
import re
import stat
from collections.abc import Callable, Collection, Mapping
from typing import Final

from envforge.build.site import Site
from envforge.errors import BuildError
from envforge.kernel.tree import Tree
from envforge.key_files import pem
from envforge.sources.debian.recipes.plan import Package

_KEY_MAX_BYTES: Final = 64 << 10
"""Bytes read of a file: files with keys are small, with a certificate or a remark before the key at most."""
_BYTECODE: Final = re.compile(rb"(?P<directory>.*/)__pycache__/(?P<module>[^/]+?)\.[^/]*\.pyc")


def refuse_made_keys(
    root: str, ships: Callable[[str], bool], published: Callable[[], Collection[bytes]]
) -> None:
    """Raise BuildError if the tree at `root` has a private key that no package ships.

    `ships` says whether a package has a path (absolute inside); `published` gives the keys that packages
    ship. Both are only called if a key is found.
    """
    with Tree(root) as tree:
        for path, status, place in tree.walk():
            content = _head(place) if stat.S_ISREG(status.st_mode) else b""
            if pem.MARK not in content or not pem.holds_private_key(content):
                continue
            source = _BYTECODE.fullmatch(path)
            if source is not None and ships(os.fsdecode(source["directory"] + source["module"] + b".py")):
                continue
            if not pem.private_keys(content) <= frozenset(published()):
                raise BuildError(
                    f"configuring made a private key, {os.fsdecode(path)}, which no layer may hold",
                    hint="a package makes a key of this machine while it is installed; please report it",
                )


def _head(place: str) -> bytes:
    with open(place, "rb") as file:
        return file.read(_KEY_MAX_BYTES)


def published_keys(files: Collection[tuple[str, str]]) -> frozenset[bytes]:
    """Return the keys in files of packages, each given as a tree's root and a path in it."""
    keys: set[bytes] = set()
    for root, path in files:
        with Tree(root) as tree:
            keys |= pem.private_keys(tree.head(path, _KEY_MAX_BYTES))
    return frozenset(keys)


def ships(packages: Mapping[str, Package]) -> Callable[[str], bool]:
    """Return a function that says whether one of the packages ships a path."""
    return lambda path: any(
        path in package.facts.files or path.removeprefix("/usr") in package.facts.files
        for package in packages.values()
    )


def key_files(site: Site, packages: Mapping[str, Package]) -> list[tuple[str, str]]:
    """Return the packages' files that hold private keys, each as its tree's root and the path in it."""
    return [
        (f"{site.store.tree(site.held, package.locked.sha256)}/root", path)
        for package in packages.values()
        for path in package.facts.private_keys
    ]
