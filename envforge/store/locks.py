"""Locks between processes: one flock'ed file a name. The kernel drops them with the process.

The store's own lock is shared by whoever works in it, and held alone by whoever destroys it.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from envforge.errors import StoreError
from envforge.store.layout import Store, open_store


def try_hold(store: Store, name: str) -> int | None:
    """Return a descriptor that holds the lock `name` until it is closed, None while somebody else does."""
    descriptor = os.open(f"{store.path}/locks/{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def holding(store: Store, name: str, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock `name` (a key, a digest) exclusively; wait for it, calling `waiting` once if need be."""
    descriptor = os.open(f"{store.path}/locks/{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def in_use(store: Store) -> Iterator[None]:
    """Keep others from destroying the store meanwhile; one that is being destroyed is made anew."""
    descriptor = _shared(store)
    try:
        yield
    finally:
        os.close(descriptor)


def _shared(store: Store) -> int:
    while True:
        open_store(store.path)
        descriptor = _open_own(store)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if os.path.samestat(os.fstat(descriptor), os.stat(f"{store.path}/lock")):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)  # of a store that is gone


@contextmanager
def alone(store: Store) -> Iterator[None]:
    """Be the only one in the store. Raises StoreError where somebody builds, locks or is inside."""
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
                what = "is being used by a build" if descriptor == held[0] else "has environments in use"
                raise StoreError(
                    f"the store {store.path} {what}", hint="try again when that has ended"
                ) from None
        yield


def _open_own(store: Store) -> int:
    return os.open(f"{store.path}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
