"""Locks between processes: one flock'ed file a name. The kernel drops them with the process."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from envforge.store.layout import Store


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
