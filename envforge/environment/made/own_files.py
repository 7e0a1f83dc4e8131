"""Reads the files of an environment that entering needs: accounts, certificates, locales, a new home's files.

Packages and the project wrote them, so a confined child reads them, all in one call.
"""

import base64
import stat
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from attrs import field, frozen

from envforge.errors import SandboxError
from envforge.kernel.tree import Tree
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids.identity import Identity

BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
KEYSTORE: Final = "/etc/ssl/certs/java/cacerts"
_LOCALES: Final = "/usr/lib/locale"
_ARCHIVE_MAGIC: Final = b"\x09\x01\x02\xde"
_FILE_MAX_BYTES: Final = 4 << 20
_SKELETON_MAX: Final = 200
"""Files of a skeleton home that are taken; Debian's has three."""
_SKELETON_MAX_BYTES: Final = 4 << 20
"""Of all files of a skeleton home together."""


@frozen
class HomeFile:
    """A file or a link that a new home begins with."""

    path: str
    """Relative to the home."""
    mode: int
    content: bytes = field(repr=False)
    """The target, where the mode says that it is a link."""


@frozen
class OwnFiles:
    """What was read; empty where the environment does not have it."""

    passwd: str = field(default="", repr=False)
    group: str = field(default="", repr=False)
    bundle: bytes = field(default=b"", repr=False)
    """Certificates that the environment trusts, in PEM."""
    keystore: bytes = field(default=b"", repr=False)
    """The same for Java."""
    tools: frozenset[str] = frozenset()
    """Those of the sources' tools that are there."""
    locales: tuple[str, ...] = ()
    """Besides C, POSIX and C.UTF-8, as `locale -a` writes them."""
    skeleton: tuple[HomeFile, ...] = ()
    """What /etc/skel holds."""
    root_home: tuple[HomeFile, ...] = ()
    """What /root holds."""


def read(identity: Identity, roots: Sequence[str], tools: Collection[str] = ()) -> OwnFiles:
    """Return what the layers with these roots hold, topmost first, `tools` being paths to look for.

    Raises as `call_confined` does; SandboxError where one of the files cannot be read.
    """
    try:
        found = call_confined(identity, View.of(readable=roots), read_here, list(roots), list(tools))
    except OSError as error:
        raise SandboxError(
            f"the environment's accounts or certificates cannot be read: {error.filename}: {error.strerror}",
            hint="a package has left them so; take it out of the spec",
        ) from error
    return OwnFiles(
        passwd=found["passwd"],
        group=found["group"],
        bundle=base64.b64decode(found["bundle"]),
        keystore=base64.b64decode(found["keystore"]),
        tools=frozenset(found["tools"]),
        locales=tuple(found["locales"]),
        skeleton=tuple(_home_file(*item) for item in found["skeleton"]),
        root_home=tuple(_home_file(*item) for item in found["root_home"]),
    )


def _home_file(path: str, mode: int, content: str) -> HomeFile:
    return HomeFile(path, mode, base64.b64decode(content))


def read_here(roots: Sequence[str], tools: Collection[str] = ()) -> dict[str, Any]:
    """Return the same as JSON values. Runs in the confined child."""
    trees = [Tree(root) for root in roots]
    return {
        "passwd": _topmost(trees, "/etc/passwd").decode("utf-8", "surrogateescape"),
        "group": _topmost(trees, "/etc/group").decode("utf-8", "surrogateescape"),
        "bundle": _plain(_topmost(trees, BUNDLE)),
        "keystore": _plain(_topmost(trees, KEYSTORE)),
        "tools": [path for path in tools if any(tree.is_file(path) for tree in trees)],
        "locales": sorted({name for tree in trees for name in _locales(tree)}),
        "skeleton": _skeleton(trees, "/etc/skel"),
        "root_home": _skeleton(trees, "/root"),
    }


def _plain(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _topmost(trees: Sequence[Tree], path: str) -> bytes:
    """Return the file at a path of the topmost layer that has anything there; empty where that is no file."""
    for tree in trees:
        if tree.holds(path):
            return tree.read(path, limit=_FILE_MAX_BYTES) if tree.is_file(path) else b""
    return b""


def _locales(tree: Tree) -> Iterator[str]:
    for name in map(bytes.decode, filter(bytes.isascii, tree.names(_LOCALES))):
        if name == "locale-archive" and tree.is_file(f"{_LOCALES}/{name}"):
            yield from archived_locales(tree.head(f"{_LOCALES}/{name}", _FILE_MAX_BYTES))
        elif tree.is_directory(f"{_LOCALES}/{name}"):
            yield name


def archived_locales(archive: bytes) -> list[str]:
    """Return the names in a locale archive, as far as it was read (glibc's locale/locarchive.h)."""
    if archive[:4] != _ARCHIVE_MAGIC:
        return []
    start, used = (int.from_bytes(archive[at : at + 4], "little") for at in (20, 24))
    return [name.decode(errors="replace") for name in archive[start : start + used].split(b"\0") if name]


def _skeleton(trees: Sequence[Tree], top: str) -> list[tuple[str, int, str]]:
    """Return path, mode and content of the files and links below a directory; upper layers win."""
    found: dict[str, tuple[str, int, str]] = {}
    waiting = [""]
    room = _SKELETON_MAX_BYTES
    while waiting and len(found) < _SKELETON_MAX:
        below = waiting.pop()
        names = {name for tree in trees for name in tree.names(f"{top}{below}")}
        for name in sorted(names):
            path = f"{below}/{name.decode('utf-8', 'surrogateescape')}"
            tree = next(tree for tree in trees if tree.holds(f"{top}{path}"))
            status = tree.stat(f"{top}{path}", follow=False)
            if status is None:
                continue
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)
            elif stat.S_ISLNK(status.st_mode):
                content = tree.link_target(f"{top}{path}") or b""
                found[path] = (path[1:], status.st_mode, _plain(content))
            elif stat.S_ISREG(status.st_mode) and status.st_size <= room:
                room -= status.st_size
                content = tree.read(f"{top}{path}", limit=_FILE_MAX_BYTES, follow=False)
                found[path] = (path[1:], status.st_mode, _plain(content))
    return list(found.values())
