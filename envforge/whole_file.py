"""Writes a file as a whole: nobody sees half of it, and a failure leaves what was there and nothing else."""

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
    """Put a file with `data` in place of `path`. The rest is as in `filling`. Raises OSError."""
    with filling(path, mode=mode, temporary=temporary, durable=durable, replace=replace) as descriptor:
        fill(descriptor, data)


@contextmanager
def filling(
    path: str,
    *,
    mode: int | None = 0o600,
    temporary: str = "",
    durable: bool = True,
    replace: bool = True,
) -> Iterator[int]:
    """Give the descriptor of a file that is put in place of `path`, which is no symbolic link, on leaving.

    It is written as `temporary` first, a name on the same file system that nobody else uses; without one
    beside `path`. `durable`: the data is on the disk before the name is, and the name when this returns.
    Without a `mode` it keeps the one that it has, and a new file gets the umask's. Unless it may `replace`
    another file, FileExistsError is raised for one that is there. Raises OSError.
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
    """Have the names in a directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _kept_mode(path: str) -> int:
    try:
        return stat.S_IMODE(os.stat(path, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return 0o666 & ~_umask()


def _umask() -> int:
    """Return the umask. Only setting it tells it too, which other threads would notice (proc(5))."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        return next((int(line.split()[1], 8) for line in file if line.startswith("Umask:")), 0o022)


def fill(descriptor: int, data: bytes) -> None:
    """Write all of the bytes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
