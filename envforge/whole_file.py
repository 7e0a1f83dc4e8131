"""Atomic writes by renaming a temporary file into place: nobody reads half, and a failure changes nothing."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def write(
    path: str,
    data: bytes,
    *,
    mode: int | None = 0o600,
    temporary: str = "",
    durable: bool = True,
    replace: bool = True,
) -> None:
    """Write `data` to `path` atomically; options as for `filling`. Raises OSError."""
    with filling(path, mode=mode, temporary=temporary, durable=durable, replace=replace) as descriptor:
        write_all(descriptor, data)


@contextmanager
def filling(
    path: str,
    *,
    mode: int | None = 0o600,
    temporary: str = "",
    durable: bool = True,
    replace: bool = True,
) -> Iterator[int]:
    """Yield the descriptor of a new file that is renamed to `path` on leaving; a symlink there is replaced.

    Until then it has the name `temporary`, on the same file system and used by nobody else, by default one
    beside `path`. `durable` fsyncs the data before the rename, and the directory after it. With `mode` None
    the old file's mode is kept, and a new file gets the umask's. Without `replace`, FileExistsError is raised
    where `path` exists. Raises OSError.
    """
    directory, name = os.path.split(path)
    beside = temporary or os.path.join(directory, f".{name}.{os.urandom(6).hex()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            yield descriptor
            os.fchmod(descriptor, _kept_mode(path) if mode is None else mode)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if replace:
            os.replace(beside, path)
        else:
            os.link(beside, path)
            os.unlink(beside)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(beside)
        raise
    if durable:
        sync_directory(directory or ".")


def sync_directory(path: str) -> None:
    """Fsync a directory, so that its entries survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _kept_mode(path: str) -> int:
    try:
        return stat.S_IMODE(os.stat(path, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return 0o666 & ~umask()


def umask() -> int:
    """Return the umask, from proc(5): the system call returns it only by setting one, for all threads."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        return next((int(line.split()[1], 8) for line in file if line.startswith("Umask:")), 0o022)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of the bytes: write(2) may write fewer."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
