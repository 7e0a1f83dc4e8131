"""Looks whether a store's files are sealed, then alters one on the disk: `sealed_check.py STORE DISK`.

As root, for a guest whose kernel and file system have fs-verity. The file is `/usr/bin/hello` of one of the
trees.
"""

import errno
import fcntl
import glob
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

_FIBMAP = 1
"""Turns a block's number within a file into its number on the disk (linux/fs.h)."""


def not_sealed(top: str) -> list[str]:
    """Return the regular files below a directory that can be written to; it must have some that cannot."""
    found, sealed = [], 0
    for directory, _, names in os.walk(top):
        for path in (f"{directory}/{name}" for name in names):
            if not stat.S_ISREG(os.lstat(path).st_mode):
                continue
            if _error(lambda: os.close(os.open(path, os.O_WRONLY))) == errno.EPERM:  # noqa: B023 - used here
                sealed += 1
            else:
                found.append(path)
    assert sealed, top
    print(f"{sealed} files below {top} are sealed")
    return found


def alter(path: str, disk: str) -> None:
    """Change a byte of a file where it lies on the disk, behind its file system's back."""
    with open(path, "rb") as file:
        number = fcntl.ioctl(file, _FIBMAP, (0).to_bytes(4, sys.byteorder))
        place = int.from_bytes(number, sys.byteorder) * os.statvfs(path).f_bsize + 100
        content = file.read()
    os.sync()
    descriptor = os.open(disk, os.O_RDWR)
    assert os.pread(descriptor, 50, place) == content[100:150]
    os.pwrite(descriptor, bytes([content[100] ^ 1]), place)
    os.fsync(descriptor)
    os.close(descriptor)
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3")
    assert _error(lambda: Path(path).read_bytes()) == errno.EIO


def _error(act: Callable[[], object]) -> int | None:
    """Return the number of the error that something ends with, None if it does not."""
    try:
        act()
    except OSError as error:
        return error.errno
    return None


def main() -> None:
    """Check all, or raise AssertionError."""
    store, disk = sys.argv[1:]
    for top in ("trees", "layers"):
        assert not_sealed(f"{store}/{top}") == []
    alter(glob.glob(f"{store}/trees/*/*/root/usr/bin/hello")[0], disk)


main()
