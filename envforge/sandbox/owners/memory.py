"""Reading and writing the memory of a waiting program. It never reads past a page that a string ends in."""

import ctypes
import errno
from struct import Struct

from envforge.errors import CapabilityError
from envforge.sandbox.owners import kernel

_PAGE = 4096
_LONGEST = 4096
_VECTORS = bytearray(32)
_LOCAL = ctypes.addressof(ctypes.c_char.from_buffer(_VECTORS))
_REMOTE = _LOCAL + 16
_pack_vectors = Struct("<QQQQ").pack_into
_BUFFER = bytearray(2 * _PAGE)
_BUFFER_ADDRESS = ctypes.addressof(ctypes.c_char.from_buffer(_BUFFER))
_readv = kernel.readv
_find_end = _BUFFER.find


def text(pid: int, address: int) -> bytes | None:
    """Return the string at `address`, without its NUL; None where the kernel would answer EFAULT.

    Raises CapabilityError where the system forbids to look into the programs that it supervises.
    """
    size = _PAGE - (address & (_PAGE - 1))
    _pack_vectors(_VECTORS, 0, _BUFFER_ADDRESS, size, address, size)
    count = _readv(pid, _LOCAL, 1, _REMOTE, 1, 0)
    if count <= 0:
        _check_allowed()
        return None
    end = _find_end(0, 0, count)
    if end >= 0:
        return bytes(_BUFFER[:end])
    return _text_across_pages(pid, address, count)


def _text_across_pages(pid: int, address: int, count: int) -> bytes | None:
    start = bytes(_BUFFER[:count])
    rest = read(pid, address + count, _PAGE)
    end = -1 if rest is None else rest.find(0)
    if rest is None or end < 0 or count + end >= _LONGEST:
        return None
    return start + rest[:end]


def read(pid: int, address: int, size: int) -> bytes | None:
    """Return `size` bytes (at most 8192) of a program's memory, None if any of them is not there."""
    if size > len(_BUFFER):
        return None
    _pack_vectors(_VECTORS, 0, _BUFFER_ADDRESS, size, address, size)
    if _readv(pid, _LOCAL, 1, _REMOTE, 1, 0) != size:
        _check_allowed()
        return None
    return bytes(_BUFFER[:size])


def write(pid: int, address: int, data: bytes) -> int:
    """Write `data` into a program's memory; 0, or the negative errno that the program gets."""
    size = len(data)
    _BUFFER[:size] = data
    _pack_vectors(_VECTORS, 0, _BUFFER_ADDRESS, size, address, size)
    if kernel.writev(pid, _LOCAL, 1, _REMOTE, 1, 0) == size:
        return 0
    _check_allowed()
    return -errno.EFAULT


def _check_allowed() -> None:
    if ctypes.get_errno() == errno.EPERM:
        raise CapabilityError(
            "this system forbids to read the memory of one's own programs, so owners cannot be kept",
            hint="sysctl kernel.yama.ptrace_scope=1, or a subordinate id range for this user",
        )
