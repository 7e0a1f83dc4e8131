"""Crash recovery without per-file fsync: discards what came after an unfinished build of an earlier boot.

    unsynced/<boot>-<random>    made by a build before it publishes anything, flocked while it runs; removed
                                after syncfs

A mark of another boot means that the machine went down before syncfs. Everything published since the oldest
such mark may be truncated: it goes to the trash, except blobs that still hash to their name, and the next
build makes it again. `kill -9` loses nothing, as the page cache survives; the mark stays until a later build
has synced.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from envforge.digest import is_sha256
from envforge.kernel import syscalls
from envforge.store import blobs, locks
from envforge.store.layout import Store

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@contextmanager
def reaching_disk(store: Store) -> Iterator[None]:
    """Sync to disk, on leaving, all that the body has published into the store.

    On entering, discard what an earlier boot may have left incomplete.
    """
    boot = _boot()
    _distrust(store, boot)
    mark = f"{_marks(store)}/{boot}-{os.urandom(8).hex()}"
    descriptor = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.fsync(descriptor)
        yield
        left = [name for name in _names(store) if _is_abandoned(f"{_marks(store)}/{name}")]
        syscalls.syncfs(descriptor)
        for path in (mark, *(f"{_marks(store)}/{name}" for name in left)):
            with suppress(FileNotFoundError):
                os.unlink(path)
    finally:
        os.close(descriptor)


def recover(store: Store) -> None:
    """Discard what an earlier boot may have left incomplete. Call it before reading from the store."""
    _distrust(store, _boot())


def write_out(store: Store) -> None:
    """Sync what was published so far (syncfs), so that little is left for the final sync."""
    descriptor = os.open(store.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syscalls.syncfs(descriptor)
    finally:
        os.close(descriptor)


def _distrust(store: Store, boot: str) -> None:
    """Move everything published since the oldest mark of another boot to the trash."""
    foreign = [f"{_marks(store)}/{name}" for name in _names(store) if not name.startswith(f"{boot}-")]
    if not foreign:
        return
    since = min(os.stat(path).st_ctime_ns for path in foreign)
    for path in _published(store):
        if os.lstat(path).st_ctime_ns >= since:
            os.rename(path, store.new_trash())
    for sha256 in _blobs(store):
        if os.lstat(store.blob(sha256)).st_ctime_ns >= since:
            blobs.set_aside(store, sha256)  # unless its bytes match its name
    for path in foreign:
        os.unlink(path)


def _published(store: Store) -> Iterator[str]:
    """Yield every path that is trusted by its name alone. Blobs are not: each use hashes them."""
    for kind in ("trees", "layers"):
        for group in os.scandir(f"{store.path}/{kind}"):
            for entry in os.scandir(group.path):
                yield entry.path
    for kind in ("facts", "tools"):
        for entry in os.scandir(f"{store.path}/{kind}"):
            yield entry.path


def _blobs(store: Store) -> Iterator[str]:
    for group in os.scandir(f"{store.path}/blobs"):
        yield from filter(is_sha256, os.listdir(group.path))


def _is_abandoned(path: str) -> bool:
    try:
        return not locks.is_held(path)
    except FileNotFoundError:
        return False


def _names(store: Store) -> list[str]:
    return sorted(os.listdir(_marks(store)))


def _marks(store: Store) -> str:
    return f"{store.path}/unsynced"


def _boot() -> str:
    with open(_BOOT_ID, encoding="ascii") as file:
        return file.read().strip().replace("-", "")
