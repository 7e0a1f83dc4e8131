"""Seals the files of finished trees and layers by fs-verity: the kernel refuses later changes to their bytes.

To root too, for as long as a file exists, and it checks the bytes as it reads them from the disk: other ones
are an EIO. Owner, mode, time, attributes and names can still be changed. Btrfs has it, ext4 and f2fs where
their feature `verity` is on; elsewhere nothing is sealed (Documentation/filesystems/fsverity.rst).
"""

import errno
import os
import struct
from collections.abc import Iterable
from fcntl import ioctl
from typing import Final

from envforge.kernel.tree import Path, Tree

_READING: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_ENABLE: Final = 0x40806685
"""FS_IOC_ENABLE_VERITY (linux/fsverity.h)."""
_VERSION: Final = 1
_SHA256: Final = 1
_ARGUMENT: Final = struct.pack("<4I112x", _VERSION, _SHA256, os.sysconf("SC_PAGE_SIZE"), 0)
"""struct fsverity_enable_arg: no salt and no signature; kernels before 6.3 know blocks of a page only."""


def is_available(directory: str) -> bool:
    """Say whether files below a directory can be sealed."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        ioctl(descriptor, _ENABLE, _ARGUMENT)
    except OSError as error:
        return error.errno == errno.EISDIR  # where it cannot be had, that is said first
    finally:
        os.close(descriptor)
    return False


def seal(directory: str, paths: Iterable[Path]) -> None:
    """Seal regular files of a directory that nobody writes to any more; do nothing where that cannot be had.

    No link is followed on the way. Raises OSError, for a full disk among others.
    """
    if not is_available(directory):
        return
    with Tree(directory) as tree:
        for path in paths:
            descriptor = tree.beneath(path, _READING)
            try:
                _seal(descriptor)
            finally:
                os.close(descriptor)


def _seal(descriptor: int) -> None:
    before = os.fstat(descriptor)
    try:
        ioctl(descriptor, _ENABLE, _ARGUMENT)
    except FileExistsError:
        return  # a link to a file of another tree
    os.utime(descriptor, ns=(before.st_atime_ns, before.st_mtime_ns))  # ext4 sets it
