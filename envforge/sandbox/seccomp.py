"""The system calls that a payload may not make, as a BPF program (seccomp(2)), assembled here.

A deny list: what Docker's default profile refuses to a process without CAP_SYS_ADMIN, as far as it matters.
Computed when a plan is compiled and kept in it as bytes; never loaded on the warm path.
"""

from collections.abc import Iterable
from typing import Final

# struct sock_filter: operations of classic BPF (linux/bpf_common.h) and results (linux/seccomp.h).
_LOAD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_JUMP_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06

_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_ERRNO: Final = 0x00050000
_EPERM: Final = _ERRNO | 1
_ENOSYS: Final = _ERRNO | 38

# struct seccomp_data; the low half of an argument comes first on the architectures below.
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16

_AUDIT: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT: Final = 0x40000000

_NEW_NAMESPACES: Final = 0x7E020000
_TIOCSTI: Final = 0x5412
_TIOCLINUX: Final = 0x541C
_AF_VSOCK: Final = 40

# name: number on x86_64, on aarch64; None where the architecture does not have it.
_ALWAYS_REFUSED: Final[dict[str, tuple[int | None, int | None]]] = {
    "_sysctl": (156, None),
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "get_kernel_syms": (177, None),
    "init_module": (175, 105),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sysfs": (139, None),
    "syslog": (103, 116),
    "userfaultfd": (323, 282),
    "uselib": (134, None),
    "ustat": (136, None),
    "vhangup": (153, 58),
}

# Answered as by a kernel without them, so that programs go another way: io_uring goes around this filter.
_UNKNOWN: Final[dict[str, tuple[int | None, int | None]]] = {
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}

# What building a namespace takes: refused unless nested user namespaces are allowed.
_OF_NAMESPACES: Final[dict[str, tuple[int | None, int | None]]] = {
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "pivot_root": (155, 41),
    "setns": (308, 268),
    "umount2": (166, 39),
    "unshare": (272, 97),
}

_CLONE: Final = (56, 220)
_CLONE3: Final = (435, 435)
_IOCTL: Final = (16, 29)
_SOCKET: Final = (41, 198)


def program(machine: str, *, nested: bool) -> bytes:
    """Return the filter for that machine (`uname -m`), empty where there is no table for it.

    `nested` lets the payload make user namespaces of its own, as browsers and bwrap do.
    """
    if machine not in _AUDIT:
        return b""
    column = list(_AUDIT).index(machine)
    steps = [
        *_refuse_other_architectures(machine),
        *_answer(_numbers(_ALWAYS_REFUSED, column), _EPERM),
        *_answer(_numbers(_UNKNOWN, column), _ENOSYS),
    ]
    if not nested:
        steps += _answer(_numbers(_OF_NAMESPACES, column), _EPERM)
        steps += _answer([_CLONE3[column]], _ENOSYS)  # its flags lie in memory, where a filter cannot look
        steps += _check_argument(_CLONE[column], 0, [(_JUMP_ANY_BIT, _NEW_NAMESPACES)])
    # Only the low half counts: the kernel cuts a request down to 32 bits (CVE-2019-7303).
    steps += _check_argument(_IOCTL[column], 1, [(_JUMP_EQUAL, _TIOCSTI), (_JUMP_EQUAL, _TIOCLINUX)])
    steps += _check_argument(_SOCKET[column], 0, [(_JUMP_EQUAL, _AF_VSOCK)])
    steps.append(_step(_RETURN, _ALLOW))
    return b"".join(steps)


def _refuse_other_architectures(machine: str) -> list[bytes]:
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_JUMP_EQUAL, _AUDIT[machine], then=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        steps += [_step(_JUMP_AT_LEAST, _X32_BIT, otherwise=1), _step(_RETURN, _ENOSYS)]
    return steps


def _numbers(table: dict[str, tuple[int | None, int | None]], column: int) -> list[int]:
    found = (numbers[column] for numbers in table.values())
    return sorted(number for number in found if number is not None)


def _answer(numbers: Iterable[int], result: int) -> list[bytes]:
    """Answer those calls with `result`."""
    steps = []
    for number in numbers:
        steps += [_step(_JUMP_EQUAL, number, otherwise=1), _step(_RETURN, result)]
    return steps


def _check_argument(number: int, argument: int, refused: list[tuple[int, int]]) -> list[bytes]:
    """Answer EPERM to a call whose argument's low half matches one of `refused`, else allow it."""
    body = [_step(_LOAD, _ARGUMENTS + 8 * argument)]
    for test, value in refused:
        body += [_step(test, value, otherwise=1), _step(_RETURN, _EPERM)]
    body.append(_step(_RETURN, _ALLOW))
    return [_step(_JUMP_EQUAL, number, otherwise=len(body)), *body]


def _step(operation: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    return operation.to_bytes(2, "little") + bytes((then, otherwise)) + value.to_bytes(4, "little")
