"""Assembles the payload's seccomp filter, a classic BPF program, from an allow list (seccomp(2)).

The list is like Docker's default profile; `system_calls.txt` has our verdict and Docker's for each call. It
covers every architecture whose programs this machine runs. Refused calls give EPERM, unknown ones ENOSYS, as
on an older kernel. The filter bisects the call's number, as the kernel runs it for each call that its own
cache of allowed calls does not answer. Assembled when a plan is compiled and kept in it as bytes; never
loaded on the warm path.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from envforge.kernel.bpf import (
    ALLOW,
    ARCHITECTURE,
    ERRNO,
    JUMP,
    JUMP_ANY_BIT,
    JUMP_AT_LEAST,
    JUMP_EQUAL,
    LOAD,
    NUMBER,
    RETURN,
    instruction,
    load_argument,
)

_FARTHEST: Final = 255
"""Longest conditional jump, in instructions."""

_EPERM: Final = ERRNO | 1
_ENOSYS: Final = ERRNO | 38

_AUDIT: Final = {
    "x86_64": 0xC000003E,
    "i386": 0x40000003,
    "aarch64": 0xC00000B7,
    "arm": 0x40000028,
    "riscv64": 0xC00000F3,
}
"""AUDIT_ARCH_ of each architecture (linux/audit.h), in the order of the table's columns."""

ARCHITECTURES: Final = {
    "x86_64": ("x86_64", "i386"),
    "i686": ("i386",),
    "aarch64": ("aarch64", "arm"),
    "armv7l": ("arm",),
    "riscv64": ("riscv64",),
}
"""Architectures whose programs a machine (`uname -m`) runs: its own first."""

_NEW_NAMESPACES: Final = 0x7E020000
_TIOCSTI: Final = 0x5412
_TIOCLINUX: Final = 0x541C
_AF_ALG: Final = 38
_AF_VSOCK: Final = 40
_PERSONALITIES: Final = (0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)
"""Linux and 32-bit Linux, each also as release 2.6 (UNAME26); and the query of the current one."""

_TABLE: Final = Path(__file__).with_name("system_calls.txt").read_text(encoding="ascii")
"""Read while the module is loaded: a confined worker, which makes filters too, has no path to the file."""


class SystemCall(NamedTuple):
    """One line of the table."""

    name: str
    numbers: tuple[int | None, ...]
    """By architecture, in the order of `_AUDIT`; None if it does not have the call."""
    ours: str
    docker: str


@cache
def system_calls() -> tuple[SystemCall, ...]:
    """Return the table, sorted by name."""
    found = []
    for line in _TABLE.splitlines():
        if not line.startswith("#"):
            name, *numbers, ours, docker = line.split()
            found.append(SystemCall(name, tuple(map(_number, numbers)), ours, docker))
    return tuple(found)


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)


@cache
def program(machine: str, *, nested: bool, set_id: bool = True) -> bytes:
    """Return the filter for that machine (`uname -m`), empty if there is no table for it.

    `nested` lets the payload make namespaces of its own, as browsers and bwrap do. Without `set_id` no file
    can be given a set-id bit, which would take effect for everybody outside.
    """
    architectures = ARCHITECTURES.get(machine, ())
    if not architectures:
        return b""
    steps = [instruction(LOAD, ARCHITECTURE)]
    for architecture in architectures:
        block = [instruction(LOAD, NUMBER), *_bisect(_ranges(architecture, nested=nested, set_id=set_id))]
        steps += [
            instruction(JUMP_EQUAL, _AUDIT[architecture], then=1),
            instruction(JUMP, len(block)),
            *block,
        ]
    steps.append(instruction(RETURN, _ENOSYS))
    return b"".join(steps)


_Range = tuple[int, list[bytes]]
"""First number of a range, which ends at the next one's, and the instructions that decide its calls."""


def _ranges(architecture: str, *, nested: bool, set_id: bool) -> list[_Range]:
    column = list(_AUDIT).index(architecture)
    decided: dict[int, list[bytes]] = {}
    for call in system_calls():
        number = call.numbers[column]
        if number is not None:
            decided[number] = _decide(call, nested=nested, set_id=set_id)
    unknown = [instruction(RETURN, _ENOSYS)]
    ranges: list[_Range] = [(0, decided.get(0, unknown))]
    for number in sorted({*decided, *(one + 1 for one in decided)} - {0}):
        steps = decided.get(number, unknown)
        if steps != ranges[-1][1]:
            ranges.append((number, steps))
    return ranges


def _decide(call: SystemCall, *, nested: bool, set_id: bool) -> list[bytes]:
    """Return the instructions that end the filter for this call."""
    if not set_id and call.name in _MODES:
        return _without_set_id(*_MODES[call.name])
    if call.ours == "allow" or (nested and (call.ours == "namespaces" or call.name == "clone")):
        return [instruction(RETURN, ALLOW)]
    if call.ours == "check":
        return _CHECKS[call.name]
    # clone3 has its flags in memory, which a filter cannot read: after ENOSYS libraries fall back to clone.
    absent = call.ours == "absent" or call.name == "clone3"
    return [instruction(RETURN, _ENOSYS if absent else _EPERM)]


def _bisect(ranges: Sequence[_Range]) -> list[bytes]:
    """Return the instructions that find the range of the loaded number."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, above = _bisect(ranges[:middle]), _bisect(ranges[middle:])
    first = ranges[middle][0]
    if len(below) <= _FARTHEST:
        return [instruction(JUMP_AT_LEAST, first, then=len(below)), *below, *above]
    return [instruction(JUMP_AT_LEAST, first, otherwise=1), instruction(JUMP, len(below)), *below, *above]


def _check(argument: int, test: int, values: Iterable[int], found: int, otherwise: int) -> list[bytes]:
    """Return instructions that give `found` if the argument passes the test with any value, else `otherwise`.

    Only its low half counts: these are ints, and the kernel truncates an ioctl's request to 32 bits
    (CVE-2019-7303).
    """
    steps = [load_argument(argument)]
    for value in values:
        steps += [instruction(test, value, otherwise=1), instruction(RETURN, found)]
    return [*steps, instruction(RETURN, otherwise)]


def _without_set_id(mode: int, flags: int | None) -> list[bytes]:
    """Refuse a set-id bit in the argument `mode`; with `flags`, only if that argument creates a file."""
    refuse = _check(mode, JUMP_ANY_BIT, [_SET_ID], _EPERM, ALLOW)
    if flags is None:
        return refuse
    made = [load_argument(flags), instruction(JUMP_ANY_BIT, _MAKES_FILE, then=1)]
    return [*made, instruction(RETURN, ALLOW), *refuse]


WITHOUT_OPENAT2: Final = b"".join(
    (
        instruction(LOAD, NUMBER),
        instruction(JUMP_EQUAL, 437, otherwise=1),
        instruction(RETURN, _ENOSYS),
        instruction(RETURN, ALLOW),
    )
)
"""A second filter, installed right before exec of a payload without `set_id`: it refuses openat2, whose mode
is in memory, out of a filter's reach. Only then, as the steps before exec need the call. Its number is the
same everywhere."""

_SET_ID: Final = 0o6000
_MAKES_FILE: Final = 0x40 | 0x400000
"""O_CREAT and the own bit of O_TMPFILE (asm-generic/fcntl.h); alike on all architectures of the table."""
_MODES: Final[dict[str, tuple[int, int | None]]] = {
    "chmod": (1, None),
    "creat": (1, None),
    "fchmod": (1, None),
    "fchmodat": (2, None),
    "fchmodat2": (2, None),
    "mknod": (1, None),
    "mknodat": (2, None),
    "open": (2, 1),
    "openat": (3, 2),
}
"""Index of the argument that is a mode, and of the flags that say whether it counts."""

_CHECKS: Final = {
    "clone": _check(0, JUMP_ANY_BIT, [_NEW_NAMESPACES], _EPERM, ALLOW),
    "ioctl": _check(1, JUMP_EQUAL, [_TIOCSTI, _TIOCLINUX], _EPERM, ALLOW),
    "personality": _check(0, JUMP_EQUAL, _PERSONALITIES, ALLOW, _EPERM),
    "socket": _check(0, JUMP_EQUAL, [_AF_ALG, _AF_VSOCK], _EPERM, ALLOW),
}
