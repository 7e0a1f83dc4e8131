"""Crash recovery without an fsync for each file: what came after an earlier boot's mark is suspect.

    unsynced/<boot>-<random>    made by a build before it publishes anything, locked while it runs; removed
                                when the disk has everything

A mark of another boot means that the machine stopped before that. Whatever was published since the mark was
made may have lost bytes and is thrown away, but for blobs that have all of them; the next build makes it
again. `kill -9` loses nothing, as the kernel has the bytes, and the mark stays until a later build has synced
them.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from envforge.digest import is_sha256
from envforge.kernel import syscalls
from envforge.store import blobs
from envforge.store.layout import Store

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@contextmanager
def reaching_disk(store: Store) -> Iterator[None]:
    """Publish into the store inside this: on leaving, all of it is on the disk.

    First throws away what an earlier boot may have left incomplete. Call it where the store's owners can be
    removed.
    """
    boot = _boot()
    _distrust(store, boot)
    mark = f"{_marks(store)}/{boot}-{secrets.token_hex(8)}"
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
    """Throw away what an earlier boot may have left incomplete. To be called before anything is read."""
    _distrust(store, _boot())


def write_out(store: Store) -> None:
    """Have the disk write what was published so far: what is left for the end is quick then."""
    descriptor = os.open(store.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syscalls.syncfs(descriptor)
    finally:
        os.close(descriptor)


def _distrust(store: Store, boot: str) -> None:
    """Throw away what was published after the oldest mark of another boot."""
    foreign = [f"{_marks(store)}/{name}" for name in _names(store) if not name.startswith(f"{boot}-")]
    if not foreign:
        return
    since = min(os.stat(path).st_ctime_ns for path in foreign)
    for path in _published(store):
        if os.lstat(path).st_ctime_ns >= since:
            os.rename(path, store.new_trash())
    for sha256 in _blobs(store):
        if os.lstat(store.blob(sha256)).st_ctime_ns >= since:
            blobs.set_aside(store, sha256)  # unless it has the bytes that its name says
    for path in foreign:
        os.unlink(path)


def _published(store: Store) -> Iterator[str]:
    """Yield everything whose bytes are trusted by its name. Blobs are hashed before they are."""
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
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _names(store: Store) -> list[str]:
    return sorted(os.listdir(_marks(store)))


def _marks(store: Store) -> str:
    return f"{store.path}/unsynced"


def _boot() -> str:
    with open(_BOOT_ID, encoding="ascii") as file:
        return file.read().strip().replace("-", "")
