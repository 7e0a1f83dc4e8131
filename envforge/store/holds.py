"""Holds: what a running build relies on before its environment is recorded; garbage collection spares it.

    holds/<random>    names (digests, SHA-256s, keys), one a line; flocked (shared) by its running build;
                      `locking` for a command that is resolving, and relies on whatever it has fetched

A build holds a name before it looks it up, and adds it under a shared lock of `holds/` itself. The collector
takes that lock exclusively, from reading the holds until all garbage is in the trash. So either the collector
sees the name, or the build no longer finds the thing and makes it again.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from envforge.store.layout import Store
from envforge.values import frozen

LOCKING: Final = "locking"
"""The name that stands for every blob, all facts and all tools."""


@frozen
class Hold:
    """The file that names what one build holds."""

    directory: str
    path: str

    def add(self, *names: str) -> None:
        """Hold further names. Call it before looking them up or publishing them."""
        text = "".join(f"{name}\n" for name in names).encode()
        with _locked(self.directory, fcntl.LOCK_SH):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
            with open(descriptor, "wb") as file:
                file.write(text)


@contextmanager
def holding(store: Store, names: Iterable[str] = ()) -> Iterator[Hold]:
    """Yield a hold of these names, to which more can be added; leave it once the environment is recorded."""
    hold = Hold(_directory(store), f"{_directory(store)}/{os.urandom(8).hex()}")
    with _locked(hold.directory, fcntl.LOCK_SH):
        flags = os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(hold.path, flags, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        hold.add(*names)
        yield hold
    finally:
        with suppress(FileNotFoundError):
            os.unlink(hold.path)
        os.close(descriptor)


@contextmanager
def collecting(store: Store) -> Iterator[frozenset[str]]:
    """Yield all held names; no build can add another one until this is left.

    Builds wait meanwhile, so only rename inside, and delete afterwards. Holds of dead builds are removed.
    """
    with _locked(_directory(store), fcntl.LOCK_EX):
        yield frozenset(name for path in _paths(store) for name in _held(path, remove=True))


def held(store: Store) -> dict[str, frozenset[str]]:
    """Return the names that each running build holds now, by hold; the next moment there may be others."""
    found = {os.path.basename(path): frozenset(_held(path, remove=False)) for path in _paths(store)}
    return {name: names for name, names in sorted(found.items()) if names}


def _paths(store: Store) -> list[str]:
    return [entry.path for entry in os.scandir(_directory(store))]


def _held(path: str, *, remove: bool) -> list[str]:
    try:
        file = open(path, encoding="ascii")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        return []  # that build has just ended
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().split()
        if remove:
            with suppress(FileNotFoundError):
                os.unlink(path)
        return []


@contextmanager
def _locked(directory: str, kind: int) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _directory(store: Store) -> str:
    return f"{store.path}/holds"
