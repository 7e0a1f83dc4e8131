"""Checks what else lies in the store: names of blobs, trees and layers, and what processes left behind."""

import os
import stat
import time
from collections.abc import Iterator
from typing import Final

from envforge.digest import is_sha256
from envforge.store import blobs, locks
from envforge.store.layout import DIRECTORIES, HEADER_NAME, LOCK_NAME, Store
from envforge.upkeep.fsck.model import Finding, Kind

_RESUMABLE_S: Final = 7 * 24 * 3600
_HEX: Final = frozenset("0123456789abcdef")


def named_blobs(store: Store) -> list[str]:
    """Return the names of all blobs that lie where their names say."""
    return sorted(
        name
        for group in os.listdir(f"{store.path}/blobs")
        if len(group) == 2
        for name in _listed(f"{store.path}/blobs/{group}")
        if is_sha256(name) and name.startswith(group)
    )


def check(store: Store) -> Iterator[Finding]:
    """Yield what is wrong, blobs' bytes left out."""
    yield from _misplaced_blobs(store)
    yield from _misnamed_trees(store)
    yield from _staging(store)
    yield from _partial(store)
    yield from _unsynced(store)
    yield from _tools(store)
    known = {*DIRECTORIES, HEADER_NAME, LOCK_NAME}
    for name in sorted(set(os.listdir(store.path)) - known):
        yield Finding(Kind.STORE, name, "", "is unknown to this release", is_leftover=True)


def _misplaced_blobs(store: Store) -> Iterator[Finding]:
    for group in sorted(os.listdir(f"{store.path}/blobs")):
        for name in sorted(_listed(f"{store.path}/blobs/{group}")):
            if not is_sha256(name) or group != name[:2]:
                yield Finding(Kind.BLOB, f"{group}/{name}", "", "is no name of a blob", is_leftover=True)
            elif not blobs.has(store, name) and os.path.lexists(store.blob(name)):
                yield Finding(Kind.BLOB, name, "", "type")


def _misnamed_trees(store: Store) -> Iterator[Finding]:
    for folder, kind in (("trees", Kind.TREE), ("layers", Kind.LAYER)):
        for held in sorted(os.listdir(f"{store.path}/{folder}")):
            for name in sorted(_listed(f"{store.path}/{folder}/{held}")):
                if not is_sha256(name):
                    yield Finding(kind, name, "", "is no name of one", held=held, is_leftover=True)


def _staging(store: Store) -> Iterator[Finding]:
    for entry in sorted(_listed(f"{store.path}/staging")):
        if _is_abandoned(f"{store.path}/staging/{entry}"):
            problem = "was left by a process that is gone"
            yield Finding(Kind.STAGING, entry, "", problem, is_leftover=True)


def _is_abandoned(path: str) -> bool:
    try:
        return not locks.is_held(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _partial(store: Store) -> Iterator[Finding]:
    """Yield partial files that no transfer will go on with: too old, or a version without its bytes."""
    names = set(_listed(f"{store.path}/partial"))
    oldest = time.time() - _RESUMABLE_S
    for name in sorted(names):
        try:
            status = os.lstat(f"{store.path}/partial/{name}")
        except FileNotFoundError:
            continue
        bytes_of = name.removesuffix(".of").partition("-")[0]
        if not set(bytes_of) <= _HEX:
            yield Finding(Kind.PARTIAL, name, "", "is no name of a partial file", is_leftover=True)
        elif not stat.S_ISREG(status.st_mode):
            yield Finding(Kind.PARTIAL, name, "", "is no file", is_leftover=True)
        elif status.st_mtime < oldest:
            yield Finding(Kind.PARTIAL, name, "", "is older than a week", is_leftover=True)
        elif name.endswith(".of") and name.removesuffix(".of") not in names:
            yield Finding(Kind.PARTIAL, name, "", "is of bytes that are gone", is_leftover=True)


def _unsynced(store: Store) -> Iterator[Finding]:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip().replace("-", "")
    for name in sorted(_listed(f"{store.path}/unsynced")):
        if not name.startswith(f"{boot}-"):
            problem = (
                "a build had not ended when the machine went down: what it made is thrown away by the next"
            )
            yield Finding(Kind.STORE, f"unsynced/{name}", "", problem, is_leftover=True)


def _tools(store: Store) -> Iterator[Finding]:
    """Yield what is damaged of the resolver's tools and indexes, as far as that shows without making them."""
    for name in sorted(_listed(f"{store.path}/tools")):
        look = next((one for prefix, one in _TOOLS.items() if name.startswith(prefix)), None)
        try:
            if look is None:
                yield Finding(Kind.TOOL, name, "", "is no tool of this release", is_leftover=True)
            elif not look(f"{store.path}/tools/{name}"):
                yield Finding(Kind.TOOL, name, "", "is damaged")
        except FileNotFoundError:
            continue  # removed meanwhile
        except OSError as error:
            yield Finding(Kind.TOOL, name, "", f"cannot be read: {error.strerror}")


def _is_filled_directory(path: str) -> bool:
    return stat.S_ISDIR(os.lstat(path).st_mode) and bool(os.listdir(path))


def _is_whole_text(path: str) -> bool:
    """Say whether a file has something in it, up to the end of a line: a write that was cut short has not."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        return (
            stat.S_ISREG(status.st_mode) and os.pread(file.fileno(), 1, max(status.st_size - 1, 0)) == b"\n"
        )


_TOOLS: Final = {
    "apt-": _is_filled_directory,
    "lists-": _is_filled_directory,
    "liblzma-": _is_filled_directory,
    "table-": _is_whole_text,
    "release-": _is_whole_text,
}
"""How tools' names begin, and what tells whether one is whole."""


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
