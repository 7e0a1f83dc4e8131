"""Reads and writes the memory of a waiting program. Strings are never read past the page that they end in."""

import ctypes
import errno
import os
from struct import Struct

from envforge.errors import CapabilityError
from envforge.sandbox.owners import kernel

PATH_BUFFER = bytearray(8192)
"""Where `fetch` puts a path."""
PATH_ADDRESS = ctypes.addressof(ctypes.c_char.from_buffer(PATH_BUFFER))

_PAGE = 4096
_VECTORS = bytearray(32)
_LOCAL = ctypes.addressof(ctypes.c_char.from_buffer(_VECTORS))
_REMOTE = _LOCAL + 16
_pack_vectors = Struct("<QQQQ").pack_into
_readv = kernel.readv
_find = PATH_BUFFER.find


def fetch(pid: int, address: int) -> int:
    """Put the path at `address` into the buffer, with its NUL; return its length, -1 if that fails.

    Raises CapabilityError if the system forbids to read the memory of supervised programs.
    """
    size = _PAGE - (address & (_PAGE - 1))
    _pack_vectors(_VECTORS, 0, PATH_ADDRESS, size, address, size)
    count = _readv(pid, _LOCAL, 1, _REMOTE, 1, 0)
    if count <= 0:
        _check_allowed()
        return -1
    end: int = _find(0, 0, count)
    return end if end >= 0 else _fetch_rest(pid, address, count)


def _fetch_rest(pid: int, address: int, count: int) -> int:
    _pack_vectors(_VECTORS, 0, PATH_ADDRESS + count, _PAGE, address + count, _PAGE)
    more = _readv(pid, _LOCAL, 1, _REMOTE, 1, 0)
    end: int = _find(0, count, count + max(more, 0))
    return end if end < _PAGE else -1


def text(pid: int, address: int) -> bytes | None:
    """Return the string at `address`, without its NUL; None if the kernel would fail."""
    length = fetch(pid, address)
    return None if length < 0 else bytes(PATH_BUFFER[:length])


def read(pid: int, address: int, size: int) -> bytes | None:
    """Return `size` bytes (at most 8192) of a program's memory, None if any of them is not mapped."""
    if size > len(PATH_BUFFER):
        return None
    _pack_vectors(_VECTORS, 0, PATH_ADDRESS, size, address, size)
    if _readv(pid, _LOCAL, 1, _REMOTE, 1, 0) != size:
        _check_allowed()
        return None
    return bytes(PATH_BUFFER[:size])


def write(pid: int, address: int, data: bytes) -> int:
    """Write `data` into a program's memory; 0, or the negative errno that the program gets."""
    size = len(data)
    PATH_BUFFER[:size] = data
    _pack_vectors(_VECTORS, 0, PATH_ADDRESS, size, address, size)
    if kernel.writev(pid, _LOCAL, 1, _REMOTE, 1, 0) == size:
        return 0
    _check_allowed()
    return -errno.EFAULT


def _check_allowed() -> None:
    """Raise CapabilityError unless the program's pointer is at fault: silence would mean wrong owners."""
    number = ctypes.get_errno()
    if number not in {errno.EFAULT, errno.ESRCH}:
        raise CapabilityError(
            f"the memory of own programs cannot be read here ({os.strerror(number)}), so owners are not kept",
            hint="sudo sysctl -w kernel.yama.ptrace_scope=1, or get a subordinate id range for this user",
        )
