"""Staging directories: each is flocked by its process; once that is gone, anyone may clear it.

What is in trash/ is cleared at once, but for what garbage collections took: that can be brought back for
some hours.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from envforge.kernel import removal
from envforge.kernel.tree import Tree
from envforge.store import locks
from envforge.store.layout import Store

COLLECTED: Final = "gc-"
"""How the trash of a collection begins: `gc-<nanoseconds since 1970>-<random>`, flocked while in use."""
COLLECTED_KEPT_S: Final = 6 * 3600


@contextmanager
def staging(store: Store, purpose: str) -> Iterator[str]:
    """Yield an empty directory under staging/, which is removed on leaving with what is still in it.

    It is locked while in use, so `clear_debris` of another process leaves it alone. To publish, rename
    something out of it.
    """
    path, descriptor = reserve(store, purpose)
    try:
        yield path
    finally:
        remove_tree(path)
        os.close(descriptor)


def reserve(store: Store, purpose: str) -> tuple[str, int]:
    """Return a new directory under staging/ and the descriptor that locks it; `give_up` ends both."""
    while True:
        path = f"{store.path}/staging/{purpose}-{os.urandom(8).hex()}"
        os.mkdir(path, 0o700)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        except FileNotFoundError:
            continue  # a cleaner was quicker than the lock
        if os.path.exists(path):
            return path, descriptor
        os.close(descriptor)


def give_up(path: str, descriptor: int) -> None:
    """Unlock a reserved directory and remove it if it is empty; else the next `clear_debris` does."""
    with suppress(OSError):
        os.rmdir(path)
    os.close(descriptor)


def move_out(directory: str, inside: str, final: str) -> None:
    """Move the directory that a confined process made at `directory/inside` to `final`.

    The process is not trusted: no component of `inside` may be a link, and only a directory is moved. Raises
    OSError, with EEXIST or ENOTEMPTY if `final` exists.
    """
    above, name = os.path.split(inside)
    with Tree(directory) as tree:
        if not tree.is_plain_directory(inside):
            raise NotADirectoryError(errno.ENOTDIR, "a worker left no directory", f"{directory}{inside}")
        source = tree.directory(above)
        try:
            os.rename(name, final, src_dir_fd=source)
        finally:
            os.close(source)


def collected_at(name: str) -> int | None:
    """Return when the garbage in an entry of trash/ was collected, None if it is another kind of entry.

    In nanoseconds since 1970: two collections may follow within a second.
    """
    prefix, _, rest = name.partition("-")
    time_ns = rest.partition("-")[0]
    return int(time_ns) if f"{prefix}-" == COLLECTED and time_ns.isdecimal() else None


def has_debris(store: Store) -> bool:
    """Return whether there is anything to clear, left by a dead process or in use right now."""
    if os.listdir(f"{store.path}/staging"):
        return True
    return any(not _is_kept(name) for name in os.listdir(f"{store.path}/trash"))


def _is_kept(name: str) -> bool:
    collected = collected_at(name)
    return collected is not None and time.time_ns() - collected < COLLECTED_KEPT_S * 10**9


def clear_debris(store: Store) -> int:
    """Remove what dead processes left in staging/ and trash/; return how many entries were removed.

    Call it inside a namespace that may delete the files of all ids of the store.
    """
    removed = 0
    for entry in os.scandir(f"{store.path}/staging"):
        descriptor = _taken(entry.path)
        if descriptor is not None:
            remove_tree(entry.path)
            os.close(descriptor)
            removed += 1
    for entry in os.scandir(f"{store.path}/trash"):
        if not _is_kept(entry.name) and forget(store, entry.name):
            removed += 1
    return removed


def forget(store: Store, name: str) -> bool:
    """Remove an entry of trash/, unless a garbage collection is at work in it; return whether it is gone."""
    doomed = f"{store.path}/trash/{name}" if collected_at(name) is None else doom(store, name)
    if doomed is None:
        return False
    remove_tree(doomed)
    return True


def doom(store: Store, name: str) -> str | None:
    """Take a collection's trash from those that can be brought back; return its new path, to be removed.

    None where it is gone already, or a garbage collection is at work in it.
    """
    path = f"{store.path}/trash/{name}"
    descriptor = _taken(path)
    if descriptor is None:
        return None
    try:
        doomed = store.new_trash()
        os.rename(path, doomed)  # whoever wants it back finds all of it, or nothing
    except FileNotFoundError:
        return None
    finally:
        os.close(descriptor)
    return doomed


def _taken(path: str) -> int | None:
    """Return a descriptor that holds the exclusive lock, None while another process uses `path`."""
    try:
        return locks.taken(path)
    except OSError:
        return None


def empty_tree(path: str, kept: str) -> None:
    """Remove everything in a directory except the entry `kept`."""
    for name in os.listdir(path):
        if name != kept:
            remove_tree(f"{path}/{name}")


def remove_tree(path: str) -> None:
    """Remove a file or a whole directory tree, whatever its modes; do nothing if it is gone."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            removal.remove_tree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        return
