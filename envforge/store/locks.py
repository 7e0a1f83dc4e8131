"""Locks between processes: one flocked file per name, which the kernel unlocks when the process dies.

Every command that reads or writes a store shares the store's own lock; only `store destroy` takes it
exclusively. A running sandbox shares its environment's lock instead.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from envforge.errors import StoreError
from envforge.kernel.removal import is_still_at
from envforge.store.layout import HEADER_NAME, LOCK_NAME, Store, open_store

UNUSED_S: Final = 30 * 24 * 3600


def try_hold(store: Store, name: str) -> int | None:
    """Return a descriptor that holds the lock `name` until it is closed, None while another process does."""
    path = f"{store.path}/locks/{name}"
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if is_still_at(descriptor, path):  # else a sweep removed it before it was locked
            os.utime(descriptor)  # recently used, so that no sweep removes it
            return descriptor
        os.close(descriptor)


def taken(path: str) -> int | None:
    """Return a descriptor that holds the lock of a file or directory alone until it is closed.

    None while another process holds it, alone or with others. Raises FileNotFoundError, and OSError for what
    cannot be opened: a link, say.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def is_held(path: str) -> bool:
    """Say whether a process holds the lock of a file or directory. Raises like `taken`.

    It has the lock alone for a moment, as a shared one is given beside others, and /proc/locks leaves out
    processes of other namespaces. Whoever waits for the lock meanwhile waits some microseconds; whoever does
    not wait takes the thing for one in use, and leaves it alone.
    """
    descriptor = taken(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def sweep(store: Store, *, unused_s: float = UNUSED_S) -> None:
    """Remove the lock files that nobody has taken for `unused_s` seconds."""
    before_s = time.time() - unused_s
    for entry in os.scandir(f"{store.path}/locks"):
        try:
            if entry.stat(follow_symlinks=False).st_mtime >= before_s:
                continue
            descriptor = os.open(entry.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # another process sweeps as well
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_still_at(descriptor, entry.path):
                os.unlink(entry.path)
        except BlockingIOError:
            pass  # in use after all
        finally:
            os.close(descriptor)


@contextmanager
def holding(store: Store, name: str) -> Iterator[None]:
    """Hold the lock `name` (a key, a digest) exclusively, once no other process does."""
    descriptor = try_hold(store, name)
    while descriptor is None:
        descriptor = _wait_for(f"{store.path}/locks/{name}")
    try:
        yield
    finally:
        os.close(descriptor)


def _wait_for(path: str) -> int | None:
    """Block until the lock is free; return a descriptor that holds it, None if the file was removed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        raise
    if is_still_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


@contextmanager
def in_use(store: Store) -> Iterator[None]:
    """Share the store's lock, so that nobody destroys it meanwhile; a store just destroyed is made anew."""
    descriptor = _shared(store)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def reading(path: str) -> Iterator[Store | None]:
    """Yield the store at `path` with its lock shared, None if there is no store."""
    while os.path.exists(f"{path}/{HEADER_NAME}"):
        store = open_store(path)
        descriptor = _share(store)
        if descriptor is None:
            continue
        try:
            yield store
        finally:
            os.close(descriptor)
        return
    yield None


def _shared(store: Store) -> int:
    while True:
        open_store(store.path)
        descriptor = _share(store)
        if descriptor is not None:
            return descriptor


def _share(store: Store) -> int | None:
    """Return a descriptor that shares the store's lock, None if the store was removed meanwhile."""
    try:
        descriptor = _open_own(store)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except BaseException:
        os.close(descriptor)
        raise
    if is_still_at(descriptor, f"{store.path}/{LOCK_NAME}"):
        return descriptor
    os.close(descriptor)
    return None


@contextmanager
def alone(store: Store) -> Iterator[None]:
    """Lock the store and all its environments exclusively. Raises StoreError if any of them is in use."""
    with ExitStack() as stack:
        held = [_open_own(store)]
        stack.callback(os.close, held[0])
        for name in os.listdir(f"{store.path}/environments"):
            if name.endswith(".lock"):
                held.append(os.open(f"{store.path}/environments/{name}", os.O_RDWR | os.O_CLOEXEC))
                stack.callback(os.close, held[-1])
        for descriptor in held:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                what = "is being used by a command" if descriptor == held[0] else "has environments in use"
                raise StoreError(
                    f"the store {store.path} {what}", hint="try again when that has ended"
                ) from None
        yield


def remove_own(store: Store) -> None:
    """Remove the lock of an emptied store, then the store. A process that waits for it makes a new store."""
    os.unlink(f"{store.path}/{LOCK_NAME}")
    try:
        os.rmdir(store.path)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:  # another process has made a new store there already
            raise


def _open_own(store: Store) -> int:
    return os.open(f"{store.path}/{LOCK_NAME}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
