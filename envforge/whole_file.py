"""Writes a file as a whole: nobody sees half of it, and a failure leaves what was there and nothing else."""

import os
import secrets
from contextlib import suppress


def write(path: str, data: bytes, *, mode: int = 0o600, temporary: str = "", durable: bool = True) -> None:
    """Put a file with `data` in place of `path`, which is no symbolic link.

    It is written as `temporary` first, a name on the same file system that nobody else uses; without one
    beside `path`. `durable`: the data is on the disk before the name is, and the name when this returns.
    Raises OSError.
    """
    directory, name = os.path.split(path)
    beside = temporary or os.path.join(directory, f".{name}.{secrets.token_hex(6)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            _fill(descriptor, data)
            os.fchmod(descriptor, mode)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(beside, path)
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


def usual_mode() -> int:
    """Return the mode that a new file gets from the umask."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def _fill(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
