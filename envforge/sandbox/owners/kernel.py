"""The system calls that Python does not offer, one thin wrapper each. It decides nothing.

Each raises OSError, except `look`, which often fails and then returns False: an exception costs more than the
call. `STATX` is the one buffer that every look fills, as the supervisor is a single thread.
"""

import ctypes
import errno
import os
import platform
from struct import Struct
from typing import Any

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000
O_TMPFILE_BIT = os.O_TMPFILE & ~os.O_DIRECTORY
STATX_BASIC = 0x7FF
STATX_MOUNT = 0x1000

MACHINE = platform.machine()
_SECCOMP = {"x86_64": 317}
_PIDFD_GETFD = 438
_MODE_FILTER = 1
_NEW_LISTENER = 1 << 3
_WAIT_KILLABLE = 1 << 5

_libc = ctypes.CDLL(None, use_errno=True)
_quick = ctypes.CDLL(None)


def _declare(library: ctypes.CDLL, name: str, *types: Any, result: Any = ctypes.c_int) -> Any:
    function = library[name]
    function.argtypes = types
    function.restype = result
    return function


_int, _word, _text, _address = ctypes.c_int, ctypes.c_uint, ctypes.c_char_p, ctypes.c_void_p

statx = _declare(_quick, "statx", _int, _address, _int, _word, _address)
"""statx(base, path or its address, flags, mask, STATX_ADDRESS): 0 if it filled the buffer, else -1."""
readv = _declare(
    _libc, "process_vm_readv", _int, _address, ctypes.c_ulong, _address, ctypes.c_ulong, ctypes.c_ulong
)
writev = _declare(
    _libc, "process_vm_writev", _int, _address, ctypes.c_ulong, _address, ctypes.c_ulong, ctypes.c_ulong
)
_fchownat = _declare(_libc, "fchownat", _int, _text, _word, _word, _int)
_bind = _declare(_libc, "bind", _int, _text, _word)
_processor = _declare(_libc, "sched_getcpu")
_inotify_init = _declare(_libc, "inotify_init1", _int)
_inotify_add = _declare(_libc, "inotify_add_watch", _int, _text, _word)
_inotify_remove = _declare(_libc, "inotify_rm_watch", _int, _int)
_syscall = _declare(_libc, "syscall", ctypes.c_long, *[ctypes.c_ulong] * 4, result=ctypes.c_long)

STATX = bytearray(256)
STATX_ADDRESS = ctypes.addressof(ctypes.c_char.from_buffer(STATX))

Key = tuple[int, int, int]
_KEY = Struct("<32xQ96xII")
_LINKS_MODE = Struct("<16xI8xH")
_MOUNT = Struct("<32xQ96xIIQ")


def key() -> Key:
    """Return the identity of the file last looked at: inode number, device's major and minor."""
    return _KEY.unpack_from(STATX)


def links_and_mode() -> tuple[int, int]:
    """Return the number of links, and the mode with the type, of the file last looked at."""
    return _LINKS_MODE.unpack_from(STATX)


def place() -> tuple[int, int, int, int]:
    """Return the key of the directory last looked at, and the id of the mount that it was seen through."""
    return _MOUNT.unpack_from(STATX)


def look(base: int, path: bytes, flags: int = 0, mask: int = STATX_BASIC) -> bool:
    """Fill the buffer with what statx(2) says of `path` under the descriptor `base`; False if it fails."""
    return bool(statx(base, path, flags, mask, STATX_ADDRESS) == 0)


def last_error(path: bytes = b"") -> OSError:
    """Return the error of the call that has just failed."""
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path or None)


def change_owner(descriptor: int, uid: int, gid: int) -> None:
    """Change owners of the file behind an O_PATH descriptor; 0xffffffff leaves an id as it is (chown(2))."""
    if _fchownat(descriptor, b"", uid, gid, AT_EMPTY_PATH):
        raise last_error()


def bind(descriptor: int, address: bytes) -> None:
    """Bind a socket to the bytes of an address, exactly as a program gave them (bind(2))."""
    if _bind(descriptor, address, len(address)):
        raise last_error()


def current_processor() -> int:
    """Return the number of the processor that this process runs on."""
    processor = int(_processor())
    if processor < 0:
        raise last_error()
    return processor


def start_watching() -> int:
    """Return a new inotify(7) descriptor, closed on exec, that does not block."""
    descriptor = int(_inotify_init(os.O_CLOEXEC | os.O_NONBLOCK))
    if descriptor < 0:
        raise last_error()
    return descriptor


def add_watch(descriptor: int, path: bytes, events: int) -> int:
    """Watch a path; return the watch's number (inotify_add_watch(2))."""
    watch = int(_inotify_add(descriptor, path, events))
    if watch < 0:
        raise last_error(path)
    return watch


def remove_watch(descriptor: int, watch: int) -> None:
    """Stop a watch; one that has stopped already is fine."""
    _inotify_remove(descriptor, watch)


def take_descriptor(pidfd: int, number: int) -> int:
    """Return a copy of descriptor `number` of another process (pidfd_getfd(2))."""
    descriptor = int(_syscall(_PIDFD_GETFD, pidfd, number, 0, 0))
    if descriptor < 0:
        raise last_error()
    return descriptor


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install_filter(program: bytes) -> int:
    """Install a seccomp filter on this process, for ever, and return its listener (seccomp(2)).

    OSError: EINVAL if the kernel lacks WAIT_KILLABLE_RECV (before 5.19), EBUSY under another listener.
    """
    number = _SECCOMP.get(MACHINE)
    if number is None:
        raise OSError(errno.ENOSYS, f"no filter for {MACHINE}")
    code = ctypes.create_string_buffer(program, len(program))
    structure = _Program(len(program) // 8, ctypes.addressof(code))
    flags = _NEW_LISTENER | _WAIT_KILLABLE
    listener = int(_syscall(number, _MODE_FILTER, flags, ctypes.addressof(structure), 0))
    if listener < 0:
        raise last_error()
    return listener
