"""System calls for processes: clone, namespaces, names, and giving up privileges.

The wrappers are as thin as those of `syscalls.py`; only `clone` does more. Loaded on the warm path.
"""

import os
import sys

from envforge.kernel.syscalls import Long, address_of, call, check, function, pointer_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_RLIMIT_NPROC = 6
_CAPABILITY_VERSION_3 = 0x20080522

_MACHINE = os.uname().machine
# clone(2) has a different number on each architecture; calls from 424 upward have one for all (unistd.h).
NR_CLONE = {"x86_64": 56, "aarch64": 220, "riscv64": 220}
_NR_CLONE = NR_CLONE.get(_MACHINE, -1) if sys.maxsize > 2**32 else -1
_NR_LANDLOCK_CREATE_RULESET = 444
_NR_LANDLOCK_RESTRICT_SELF = 446

_LINKS_OF_ONE_THREAD = 3

_unshare = function("unshare", 1)
_setns = function("setns", 2)
_sethostname = function("sethostname", 2)
_prctl = function("prctl", 5)
_capset = function("capset", 2)
_prlimit = function("prlimit", 4)
_memcmp = function("memcmp", 3)
_memcpy = function("memcpy", 3, Long)


def clone(flags: int, before: "Callable[[], None] | None" = None) -> int:
    """Fork into the new namespaces that `flags` name; returns 0 in the child, its pid in the parent.

    A lock of the C library (malloc's, say) that another thread holds stays locked in a clone for ever; even a
    thread that was joined may hold one on its way out. Only the library's own fork(3) frees them. So if there
    are other threads, a forked process, which has one only, clones the child as this one's (CLONE_PARENT).
    So does one that calls `before` first, to clone from within other namespaces. Raises OSError.
    """
    if before is None and is_alone():
        return clone_alone(flags)
    told, tell = os.pipe()
    try:
        between = os.fork()
    except OSError:
        os.close(told)
        os.close(tell)
        raise
    if between == 0:
        try:
            if before is not None:
                before()
            child = clone_alone(flags | CLONE_PARENT)
        except OSError as error:
            child = -(error.errno or 1)
        if child != 0:
            os.write(tell, str(child).encode())
            os._exit(0)
    os.close(tell)
    if between == 0:
        os.close(told)
        return 0
    with open(told, "rb") as answer:
        child = int(answer.read() or "-1")
    os.waitpid(between, 0)
    if child < 0:
        raise OSError(-child, os.strerror(-child))
    return child


def is_alone() -> bool:
    """Say whether this process has a single thread."""
    return os.stat("/proc/self/task").st_nlink == _LINKS_OF_ONE_THREAD


def clone_alone(flags: int) -> int:
    """Fork into the new namespaces that `flags` name, by the raw clone(2); the child ends with SIGCHLD.

    Returns 0 in the child, its pid in the parent. Only for a process with a single thread, as the at-fork
    handlers of Python and of the C library do not run; `clone` is for any process.
    """
    if _NR_CLONE < 0:
        raise OSError(38, f"clone is not known on {_MACHINE}")
    return call(_NR_CLONE, flags | 17)


def unshare(flags: int) -> None:
    """Move this process into new namespaces (unshare(2))."""
    check(_unshare(flags))


def setns(descriptor: int, flags: int) -> None:
    """Join the namespace of that descriptor (setns(2))."""
    check(_setns(descriptor, flags))


def sethostname(name: str) -> None:
    """Set the host name of this UTS namespace (sethostname(2))."""
    check(_sethostname(name.encode(), len(name.encode())), name)


def set_name(name: str) -> None:
    """Set this process's name, as in /proc/PID/comm."""
    check(_prctl(_PR_SET_NAME, name.encode(), 0, 0, 0))


def overwrite_arguments(arguments: "Iterable[str]", text: str) -> None:
    """Overwrite `arguments`, with which this process was started, by `text` in /proc/PID/cmdline.

    They are contiguous in memory, from where glibc's `program_invocation_name` points to. Does nothing if
    they are not found there, or are shorter than `text`.
    """
    before = b"".join(os.fsencode(argument) + b"\0" for argument in arguments)
    start = pointer_in("program_invocation_name")
    if start and len(text) < len(before) and _memcmp(start, before, len(before)) == 0:
        _memcpy(start, text.encode().ljust(len(before), b"\0"), len(before))


def set_parent_death_signal(signal: int) -> None:
    """Have the kernel send `signal` when the parent dies. Any change of ids or capabilities clears it."""
    check(_prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0))


def set_dumpable(dumpable: int) -> None:
    """Set whether others may trace this process and open its files under /proc."""
    check(_prctl(_PR_SET_DUMPABLE, dumpable, 0, 0, 0))


def set_no_new_privileges() -> None:
    """Renounce, for ever, the privileges that set-id programs and file capabilities would give."""
    check(_prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def set_seccomp(program: bytes) -> None:
    """Install a BPF program as this process's filter (seccomp(2))."""
    address = address_of(program)
    length = len(program) // 8
    header = length.to_bytes(2, "little") + bytes(6) + address.to_bytes(8, "little")
    check(_prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0))


def limit_processes(number: int) -> None:
    """Let each user have that many processes and threads at most in this user namespace (setrlimit(2))."""
    limit = number.to_bytes(8, "little")
    try:  # noqa: SIM105  # contextlib costs a millisecond
        check(_prlimit(0, _RLIMIT_NPROC, limit + limit, None))
    except PermissionError:
        pass  # the limit is lower already


def restrict_scopes(scopes: int) -> bool:
    """Restrict abstract Unix sockets (1) and signals (2) to this process and its descendants (Landlock).

    Returns False if the kernel has no scopes (landlock(7), Linux 6.12).
    """
    rules = bytes(16) + scopes.to_bytes(8, "little")  # no rules for files or ports
    try:
        ruleset = call(_NR_LANDLOCK_CREATE_RULESET, rules, len(rules), 0)
    except OSError:
        return False
    try:
        call(_NR_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def landlock_version() -> int:
    """Return the kernel's Landlock ABI version, 0 without Landlock; scopes came with 6."""
    try:
        return call(_NR_LANDLOCK_CREATE_RULESET, None, 0, 1)
    except OSError:
        return 0


def drop_bounding(keep: "Iterable[int]") -> None:
    """Drop every capability but those of `keep` from the bounding set (capabilities(7))."""
    kept = frozenset(keep)
    for capability in range(64):
        if capability in kept:
            continue
        try:
            check(_prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0))
        except OSError as error:
            if error.errno == 22:  # EINVAL: the kernel knows no more capabilities
                return
            raise


def set_capabilities(capabilities: "Iterable[int]", *, inheritable: bool = False) -> None:
    """Make these the permitted and effective capabilities, and clear the ambient ones (capset(2))."""
    mask = 0
    for capability in capabilities:
        mask |= 1 << capability
    low, high = mask & 0xFFFFFFFF, mask >> 32
    inherited = (low, high) if inheritable else (0, 0)
    header = _CAPABILITY_VERSION_3.to_bytes(4, "little") + bytes(4)
    words = (low, low, inherited[0], high, high, inherited[1])
    check(_capset(header, b"".join(word.to_bytes(4, "little") for word in words)))
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
