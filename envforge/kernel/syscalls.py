"""One thin, typed wrapper per system call that Python lacks; each raises OSError with the path.

Loaded on the warm path, so it uses `_ctypes` (0.3 ms) where `ctypes` would cost 2 ms, and imports nothing
else that is not loaded anyway. It decides nothing: errno becomes advice in `advice.py`.
"""

import os
import sys
from _ctypes import CFuncPtr, _SimpleCData, addressof, dlopen, dlsym, get_errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

CLONE_FILES = 0x00000400
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_STRICTATIME = 0x1000000

MNT_DETACH = 2

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
AT_SYMLINK_NOFOLLOW = 0x100
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

CLOSE_RANGE_UNSHARE = 2

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522

_MACHINE = os.uname().machine
# clone(2) has another number per architecture; the calls from 424 upward have one for all (unistd.h).
NR_CLONE = {"x86_64": 56, "aarch64": 220, "riscv64": 220}
_NR_CLONE = NR_CLONE.get(_MACHINE, -1) if sys.maxsize > 2**32 else -1
_NR_OPEN_TREE = 428
_NR_MOVE_MOUNT = 429
_NR_CLOSE_RANGE = 436
_NR_LANDLOCK_CREATE_RULESET = 444
_NR_LANDLOCK_RESTRICT_SELF = 446
_NR_OPENAT2 = 437
_NR_MOUNT_SETATTR = 442

_USE_ERRNO = 0x8
_CDECL = 0x1


class _Long(_SimpleCData):  # type: ignore[type-arg]  # not subscriptable at run time
    _type_ = "l"


class _Word(_SimpleCData):  # type: ignore[type-arg]
    """A register: an int, bytes (as their address) or None."""

    _type_ = "P"


class _Function(CFuncPtr):
    _flags_ = _CDECL | _USE_ERRNO
    _restype_ = _Long


_libc = dlopen(None, 0)  # type: ignore[arg-type]  # the program itself, dlopen(3)


def _function(name: str, arguments: int) -> _Function:
    function = _Function(dlsym(_libc, name))
    function.argtypes = (_Word,) * arguments
    return function


_syscall = _function("syscall", 7)
_mount = _function("mount", 5)
_umount2 = _function("umount2", 2)
_pivot_root = _function("pivot_root", 2)
_unshare = _function("unshare", 1)
_setns = _function("setns", 2)
_sethostname = _function("sethostname", 2)
_prctl = _function("prctl", 5)
_capset = _function("capset", 2)
_syncfs = _function("syncfs", 1)
_memcmp = _function("memcmp", 3)
_memcpy = _function("memcpy", 3)


def _check(result: int, path: "str | bytes" = "") -> int:
    if result < 0:
        number = get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(path) if path else None)
    return result


def _call(number: int, *arguments: "int | bytes | None", path: "str | bytes" = "") -> int:
    padding = (0,) * (6 - len(arguments))
    return _check(_syscall(number, *arguments, *padding), path)


def clone(flags: int) -> int:
    """Make a process as fork does, in the new namespaces that `flags` name (clone(2)).

    Returns 0 in the child, its pid in the parent. Only for a process with a single thread, for the at-fork
    work of Python and of the C library is left out: `clone.py` sees to that. Ends with SIGCHLD.
    """
    if _NR_CLONE < 0:
        raise OSError(38, f"clone is not known on {_MACHINE}")
    return _call(_NR_CLONE, flags | 17)


def syncfs(descriptor: int) -> None:
    """Have everything that was written to the descriptor's file system on the disk (syncfs(2))."""
    _check(_syncfs(descriptor))


def unshare(flags: int) -> None:
    """Leave the named namespaces for new ones (unshare(2))."""
    _check(_unshare(flags))


def setns(descriptor: int, flags: int) -> None:
    """Join the namespace of that descriptor (setns(2))."""
    _check(_setns(descriptor, flags))


def mount(
    source: "str | bytes", target: "str | bytes", kind: str = "", flags: int = 0, options: "str | bytes" = ""
) -> None:
    """Mount (mount(2)). `options` must fit in one page."""
    _check(
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
    _check(_umount2(os.fsencode(target), flags), target)


def pivot_root(new: "str | bytes", put_old: "str | bytes") -> None:
    """Change the root mount (pivot_root(2))."""
    _check(_pivot_root(os.fsencode(new), os.fsencode(put_old)), new)


def sethostname(name: str) -> None:
    """Set the host name of this UTS namespace (sethostname(2))."""
    _check(_sethostname(name.encode(), len(name.encode())), name)


def open_tree(path: "str | bytes", flags: int = 0, *, directory: int = AT_FDCWD) -> int:
    """Return the descriptor of a mount: with OPEN_TREE_CLONE a detached copy (open_tree(2))."""
    return _call(_NR_OPEN_TREE, directory, os.fsencode(path), flags | OPEN_TREE_CLOEXEC, path=path)


def move_mount(tree: int, target: "str | bytes", *, directory: int = AT_FDCWD) -> None:
    """Attach a detached mount at `target`; where that is empty, at what `directory` is (move_mount(2))."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | (0 if target else MOVE_MOUNT_T_EMPTY_PATH)
    _call(_NR_MOVE_MOUNT, tree, b"", directory, os.fsencode(target), flags, path=target)


def mount_setattr(
    tree: int,
    attributes: int,
    *,
    user_namespace: int = 0,
    recursive: bool = True,
    path: str = "",
) -> None:
    """Change the attributes of the mount of a descriptor, and of those below it (mount_setattr(2))."""
    words = b"".join(word.to_bytes(8, "little") for word in (attributes, 0, 0, user_namespace))
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    _call(_NR_MOUNT_SETATTR, tree, b"", flags, words, len(words), path=path)


_TRIES = 1000


def open_resolved(path: "str | bytes", flags: int, resolve: int, *, directory: int = AT_FDCWD) -> int:
    """Open a file with rules for the links on its way (openat2(2)).

    Asked again where somebody renamed or mounted anything meanwhile: the kernel cannot say then where `..`
    leads, and answers EAGAIN.
    """
    how = b"".join(word.to_bytes(8, "little") for word in (flags | os.O_CLOEXEC, 0, resolve))
    for _ in range(_TRIES):
        try:
            return _call(_NR_OPENAT2, directory, os.fsencode(path), how, len(how), path=path)
        except BlockingIOError:
            continue
    return _call(_NR_OPENAT2, directory, os.fsencode(path), how, len(how), path=path)


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    """Close all descriptors of a range (close_range(2))."""
    _call(_NR_CLOSE_RANGE, first, last, flags)


def close_others(kept: "Iterable[int]") -> None:
    """Close all descriptors but the three standard streams and those that are kept."""
    first = 3
    for descriptor in sorted(kept):
        if descriptor > first:
            close_range(first, descriptor - 1)
        first = max(first, descriptor + 1)
    close_range(first)


def set_name(name: str) -> None:
    """Set what /proc/PID/comm says of this process."""
    _check(_prctl(_PR_SET_NAME, name.encode(), 0, 0, 0))


def overwrite_arguments(arguments: "Iterable[str]", text: str) -> None:
    """Have /proc/PID/cmdline say `text` instead of what this process was started with, `arguments`.

    They lie one behind the other where glibc's `program_invocation_name` points to. Does nothing where they
    do not, or where they are shorter than `text`.
    """
    before = b"".join(os.fsencode(argument) + b"\0" for argument in arguments)
    start = _Address.from_address(dlsym(_libc, "program_invocation_name")).value
    if start and len(text) < len(before) and _memcmp(start, before, len(before)) == 0:
        _memcpy(start, text.encode().ljust(len(before), b"\0"), len(before))


def set_parent_death_signal(signal: int) -> None:
    """Have the kernel send `signal` when the parent dies. Any change of ids or capabilities clears it."""
    _check(_prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0))


def set_dumpable(dumpable: int) -> None:
    """Say whether others may trace this process and open its files under /proc."""
    _check(_prctl(_PR_SET_DUMPABLE, dumpable, 0, 0, 0))


def set_no_new_privileges() -> None:
    """Give up what set-id programs and file capabilities would give, for ever."""
    _check(_prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def set_seccomp(program: bytes) -> None:
    """Install a BPF program as this process's filter (seccomp(2))."""
    address = _address_of(program)
    length = len(program) // 8
    header = length.to_bytes(2, "little") + bytes(6) + address.to_bytes(8, "little")
    _check(_prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0))


def restrict_scopes(scopes: int) -> bool:
    """Keep this process from abstract unix sockets (1) and signals (2) of others than its descendants.

    Returns False where the kernel has no such scopes (landlock(7), Linux 6.12).
    """
    rules = bytes(16) + scopes.to_bytes(8, "little")  # nothing of files or ports
    try:
        ruleset = _call(_NR_LANDLOCK_CREATE_RULESET, rules, len(rules), 0)
    except OSError:
        return False
    try:
        _call(_NR_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def landlock_version() -> int:
    """Return the version of Landlock that the kernel has, 0 where it has none; 6 has scopes."""
    try:
        return _call(_NR_LANDLOCK_CREATE_RULESET, None, 0, 1)
    except OSError:
        return 0


class _Bytes(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "z"


def _address_of(data: bytes) -> int:
    """Return where the bytes of `data` lie: a char pointer's own value."""
    pointer = _Bytes(data)
    memory = (_Address.from_address(addressof(pointer))).value
    return int(memory or 0)


class _Address(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "P"


def drop_bounding(keep: "Iterable[int]") -> None:
    """Take every capability out of the bounding set but those of `keep` (capabilities(7))."""
    kept = frozenset(keep)
    for capability in range(64):
        if capability not in kept and _prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            if get_errno() == 22:  # EINVAL: the kernel knows no more capabilities
                return
            _check(-1)


def set_capabilities(capabilities: "Iterable[int]", *, inheritable: bool = False) -> None:
    """Make these the permitted and effective capabilities, and clear the ambient ones (capset(2))."""
    mask = 0
    for capability in capabilities:
        mask |= 1 << capability
    low, high = mask & 0xFFFFFFFF, mask >> 32
    inherited = (low, high) if inheritable else (0, 0)
    header = _CAPABILITY_VERSION_3.to_bytes(4, "little") + bytes(4)
    words = (low, low, inherited[0], high, high, inherited[1])
    _check(_capset(header, b"".join(word.to_bytes(4, "little") for word in words)))
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)


def bring_up_loopback() -> None:
    """Set the interface `lo` of this network namespace up (netdevice(7))."""
    from _socket import AF_INET, SOCK_DGRAM, socket  # noqa: PLC0415  # only without the host's network
    from fcntl import ioctl  # noqa: PLC0415

    with_up_and_running = b"lo".ljust(16, b"\0") + (0x1 | 0x40).to_bytes(2, "little") + bytes(22)
    control = socket(AF_INET, SOCK_DGRAM)
    try:
        ioctl(control.fileno(), 0x8914, with_up_and_running)  # SIOCSIFFLAGS
    finally:
        control.close()
