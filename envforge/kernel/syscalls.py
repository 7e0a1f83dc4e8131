"""One thin, typed wrapper per system call that Python lacks; each raises OSError with the path.

Loaded on the warm path, so it uses `_ctypes` (0.3 ms) where `ctypes` would cost 2 ms, and imports nothing
else that is not loaded anyway. It decides nothing: errno becomes advice in `advice.py`.
"""

import os
from _ctypes import CFuncPtr, _SimpleCData, addressof, dlopen, dlsym, get_errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REC = 0x4000
MS_PRIVATE = 0x40000

MNT_DETACH = 2

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_IDMAP = 0x100000

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_NR_OPEN_TREE = 428
_NR_MOVE_MOUNT = 429
_NR_CLOSE_RANGE = 436
_NR_OPENAT2 = 437
_NR_MOUNT_SETATTR = 442

_USE_ERRNO = 0x8
_CDECL = 0x1


class Int(_SimpleCData):  # type: ignore[type-arg]  # not subscriptable at run time
    """An int: functions that return one leave anything in the upper half of the register."""

    _type_ = "i"


class Long(_SimpleCData):  # type: ignore[type-arg]
    """What syscall(2) returns."""

    _type_ = "l"


class _Word(_SimpleCData):  # type: ignore[type-arg]
    """A register: an int, bytes (as their address) or None."""

    _type_ = "P"


class _Function(CFuncPtr):
    _flags_ = _CDECL | _USE_ERRNO


_libc = dlopen(None, 0)  # type: ignore[arg-type]  # the program itself, dlopen(3)


def function(name: str, arguments: int, result: "type[Int | Long]" = Int) -> _Function:
    """Return a function of the C library, declared with that many register-sized arguments."""
    function = _Function(dlsym(_libc, name))
    function.restype = result
    function.argtypes = (_Word,) * arguments
    return function


_syscall = function("syscall", 7, Long)
_mount = function("mount", 5)
_umount2 = function("umount2", 2)
_pivot_root = function("pivot_root", 2)
_syncfs = function("syncfs", 1)


def check(result: int, path: "str | bytes" = "") -> int:
    """Return `result`; if it is negative, raise OSError with the C library's errno."""
    if result < 0:
        number = get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(path) if path else None)
    return result


def call(number: int, *arguments: "int | bytes | None", path: "str | bytes" = "") -> int:
    """Make the system call of that number (syscall(2)). Raises OSError."""
    padding = (0,) * (6 - len(arguments))
    return check(_syscall(number, *arguments, *padding), path)


class _Address(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "P"


class _Bytes(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "z"


def address_of(data: bytes) -> int:
    """Return the address of the bytes of `data`: a char pointer's own value."""
    pointer = _Bytes(data)
    return int(_Address.from_address(addressof(pointer)).value or 0)


def pointer_in(variable: str) -> int:
    """Return the value of a pointer variable of the C library, 0 for NULL."""
    return int(_Address.from_address(dlsym(_libc, variable)).value or 0)


def syncfs(descriptor: int) -> None:
    """Write the whole file system of the descriptor to the disk (syncfs(2))."""
    check(_syncfs(descriptor))


def mount(
    source: "str | bytes", target: "str | bytes", kind: str = "", flags: int = 0, options: "str | bytes" = ""
) -> None:
    """Mount (mount(2)). `options` must fit in one page."""
    check(
        _mount(
            os.fsencode(source),
            os.fsencode(target),
            kind.encode() if kind else None,
            flags,
            os.fsencode(options) if options else None,
        ),
        target,
    )


def umount(target: "str | bytes", flags: int = 0) -> None:
    """Unmount (umount2(2))."""
    check(_umount2(os.fsencode(target), flags), target)


def pivot_root(new: "str | bytes", put_old: "str | bytes") -> None:
    """Change the root mount (pivot_root(2))."""
    check(_pivot_root(os.fsencode(new), os.fsencode(put_old)), new)


def open_tree(path: "str | bytes", flags: int = 0, *, directory: int = AT_FDCWD) -> int:
    """Return the descriptor of a mount: with OPEN_TREE_CLONE a detached copy (open_tree(2))."""
    return call(_NR_OPEN_TREE, directory, os.fsencode(path), flags | OPEN_TREE_CLOEXEC, path=path)


def move_mount(tree: int, target: "str | bytes", *, directory: int = AT_FDCWD) -> None:
    """Attach a detached mount at `target`, if that is empty at `directory` itself (move_mount(2))."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | (0 if target else MOVE_MOUNT_T_EMPTY_PATH)
    call(_NR_MOVE_MOUNT, tree, b"", directory, os.fsencode(target), flags, path=target)


def mount_setattr(
    tree: int,
    attributes: int,
    *,
    user_namespace: int = 0,
    recursive: bool = True,
    path: str = "",
) -> None:
    """Set attributes of a descriptor's mount, and (`recursive`) of those below it (mount_setattr(2))."""
    words = b"".join(word.to_bytes(8, "little") for word in (attributes, 0, 0, user_namespace))
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    call(_NR_MOUNT_SETATTR, tree, b"", flags, words, len(words), path=path)


_TRIES = 1000


def open_resolved(path: "str | bytes", flags: int, resolve: int, *, directory: int = AT_FDCWD) -> int:
    """Open a file with RESOLVE_ rules for its path (openat2(2)).

    Retries after EAGAIN: a concurrent rename or mount keeps the kernel from telling where `..` leads.
    """
    how = b"".join(word.to_bytes(8, "little") for word in (flags | os.O_CLOEXEC, 0, resolve))
    for _ in range(_TRIES):
        try:
            return call(_NR_OPENAT2, directory, os.fsencode(path), how, len(how), path=path)
        except BlockingIOError:
            continue
    return call(_NR_OPENAT2, directory, os.fsencode(path), how, len(how), path=path)


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    """Close all descriptors of a range (close_range(2))."""
    call(_NR_CLOSE_RANGE, first, last, flags)


def close_others(kept: "Iterable[int]") -> None:
    """Close all descriptors but the standard streams and `kept`."""
    first = 3
    for descriptor in sorted(kept):
        if descriptor > first:
            close_range(first, descriptor - 1)
        first = max(first, descriptor + 1)
    close_range(first)


def bring_up_loopback() -> None:
    """Bring up the interface `lo` of this network namespace (netdevice(7))."""
    from _socket import AF_INET, SOCK_DGRAM, socket  # noqa: PLC0415  # only without the host's network
    from fcntl import ioctl  # noqa: PLC0415

    with_up_and_running = b"lo".ljust(16, b"\0") + (0x1 | 0x40).to_bytes(2, "little") + bytes(22)
    control = socket(AF_INET, SOCK_DGRAM)
    try:
        ioctl(control.fileno(), 0x8914, with_up_and_running)  # SIOCSIFFLAGS
    finally:
        control.close()
