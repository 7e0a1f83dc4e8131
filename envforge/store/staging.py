"""Half-made things: directories that one process owns by a flock; anyone may clear them once it is gone."""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from envforge.sandbox import uppers
from envforge.store.layout import Store


@contextmanager
def staging(store: Store, purpose: str) -> Iterator[str]:
    """Give an empty directory under staging/; what is still in it on leaving is removed.

    The directory is locked while in use, so `clear_debris` of another process leaves it alone. To publish,
    rename something out of it.
    """
    path, descriptor = _make(store, purpose)
    try:
        yield path
    finally:
        remove_tree(path)
        os.close(descriptor)


def _make(store: Store, purpose: str) -> tuple[str, int]:
    while True:
        path = f"{store.path}/staging/{purpose}-{secrets.token_hex(8)}"
        os.mkdir(path, 0o700)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        except FileNotFoundError:
            continue  # a cleaner was quicker than the lock
        if os.path.exists(path):
            return path, descriptor
        os.close(descriptor)


def clear_debris(store: Store) -> int:
    """Remove what dead processes left in staging/ and trash/; return how many things went.

    Call it where the store's owners can be removed (inside the namespace that holds them).
    """
    removed = 0
    for entry in os.scandir(f"{store.path}/staging"):
        descriptor = _lock_abandoned(entry.path)
        if descriptor is not None:
            remove_tree(entry.path)
            os.close(descriptor)
            removed += 1
    for entry in os.scandir(f"{store.path}/trash"):
        remove_tree(entry.path)
        removed += 1
    return removed


def _lock_abandoned(path: str) -> int | None:
    """Return a descriptor that holds the exclusive lock, or None while somebody uses `path`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def remove_tree(path: str) -> None:
    """Remove a file or a whole directory tree, whatever its modes; nothing happens where it is gone."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            uppers.remove_tree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        return
