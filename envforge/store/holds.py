"""What builds have found or made and nobody has noted yet: whoever collects garbage leaves it alone.

    holds/<random>    names (digests, SHA-256s, keys), one a line; flocked (shared) by its running build

A name is held first, and looked for then. Names are added under a shared lock of `holds/` itself, and whoever
collects has that lock alone from reading the holds until all that goes is in the trash. So a build that was
late finds nothing there and makes it, and one that was early is heeded.
"""

import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from attrs import frozen

from envforge.store.layout import Store


@frozen
class Hold:
    """What one build holds."""

    directory: str
    path: str

    def add(self, *names: str) -> None:
        """Hold further names. To be called before they are looked for, or published."""
        text = "".join(f"{name}\n" for name in names).encode()
        with _locked(self.directory, fcntl.LOCK_SH):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
            with open(descriptor, "wb") as file:
                file.write(text)


@contextmanager
def holding(store: Store, names: Iterable[str] = ()) -> Iterator[Hold]:
    """Hold names, and more as they become known, until what follows from them has been noted."""
    hold = Hold(_directory(store), f"{_directory(store)}/{secrets.token_hex(8)}")
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
    """Give all names that are held; until this is left nobody holds any other.

    Only rename meanwhile: builds wait. What dead builds held is forgotten.
    """
    directory = _directory(store)
    with _locked(directory, fcntl.LOCK_EX):
        yield frozenset(name for path in os.scandir(directory) for name in _held(path.path))


def _held(path: str) -> list[str]:
    with open(path, encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().split()
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
