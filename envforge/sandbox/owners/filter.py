"""Assembles the seccomp filter that notifies the supervisor of calls, from `numbers`, as bytes.

    load architecture; x86_64 -> chain, i386 -> chain, others ENOSYS
    chain: load number; [x32: ENOSYS]; for each call: if it is this one { conditions; notify }; allow

Calls whose arguments show that they cannot matter are let pass here: a notification costs 4 to 10
microseconds, a comparison a nanosecond. See seccomp(2) and linux/bpf_common.h.
"""

import errno
import os
from resource import RLIMIT_RTTIME

from attrs import frozen

from envforge.kernel.bpf import (
    ALLOW,
    ARCHITECTURE,
    ERRNO,
    JUMP,
    JUMP_ANY_BIT,
    JUMP_AT_LEAST,
    JUMP_EQUAL,
    LOAD,
    NOTIFY,
    NUMBER,
    RETURN,
    instruction,
    load_argument,
)
from envforge.sandbox.owners import numbers
from envforge.sandbox.owners.kernel import O_TMPFILE_BIT

_NO_SUCH_CALL = ERRNO | errno.ENOSYS
_NO_ID = 0xFFFFFFFF
_CREATES_OR_WRITES = os.O_CREAT | os.O_WRONLY | os.O_RDWR | os.O_TRUNC | O_TMPFILE_BIT
_NEW_VIEW = 0x00020000 | 0x10000000  # CLONE_NEWNS, CLONE_NEWUSER
_SET_KEEPCAPS, _SET_SECUREBITS = 8, 28


@frozen(slots=True)
class AnyBit:
    """Reports a call only if its argument has one of the bits."""

    argument: int
    bits: int

    def assemble(self) -> bytes:
        """Return the instructions that end the filter for this call."""
        return (
            load_argument(self.argument)
            + instruction(JUMP_ANY_BIT, self.bits, 0, 1)
            + instruction(RETURN, NOTIFY)
            + instruction(RETURN, ALLOW)
        )


@frozen(slots=True)
class OneOf:
    """Reports a call only if its argument is one of a few values."""

    argument: int
    values: tuple[int, ...]

    def assemble(self) -> bytes:
        """Return the instructions that end the filter for this call."""
        matches = (_when(value, instruction(RETURN, NOTIFY)) for value in self.values)
        return load_argument(self.argument) + b"".join(matches) + instruction(RETURN, ALLOW)


@frozen(slots=True)
class AnId:
    """Reports a chown only if it names an id: with -1 twice the kernel's own work is right."""

    argument: int

    def assemble(self) -> bytes:
        """Return the instructions that end the filter for this call."""
        return (
            load_argument(self.argument)
            + instruction(JUMP_EQUAL, _NO_ID, 0, 2)
            + load_argument(self.argument + 1)
            + instruction(JUMP_EQUAL, _NO_ID, 1, 0)
            + instruction(RETURN, NOTIFY)
            + instruction(RETURN, ALLOW)
        )


CONDITIONS: dict[str, AnyBit | OneOf | AnId] = {
    "open": AnyBit(1, _CREATES_OR_WRITES),
    "openat": AnyBit(2, _CREATES_OR_WRITES),
    "prctl": OneOf(0, (_SET_KEEPCAPS, _SET_SECUREBITS)),
    "prlimit64": OneOf(1, (RLIMIT_RTTIME,)),
    "setrlimit": OneOf(0, (RLIMIT_RTTIME,)),
    "unshare": AnyBit(0, _NEW_VIEW),
    "chown": AnId(1),
    "lchown": AnId(1),
    "fchown": AnId(1),
    "fchownat": AnId(2),
}


def _when(number: int, block: bytes) -> bytes:
    return instruction(JUMP_EQUAL, number, 0, len(block) // 8) + block


def _chain(column: int) -> bytes:
    code = instruction(LOAD, NUMBER)
    if column == 0:
        code += instruction(JUMP_AT_LEAST, numbers.X32_BIT, 0, 1) + instruction(RETURN, _NO_SUCH_CALL)
    for name, pair in numbers.TRAPPED.items():
        condition = CONDITIONS.get(name)
        block = condition.assemble() if condition else instruction(RETURN, NOTIFY)
        code += _when(pair[column], block)
    for refused in numbers.REFUSED.values():
        number = refused[column]
        if number is not None:
            code += _when(number, instruction(RETURN, _NO_SUCH_CALL))
    return code + instruction(RETURN, ALLOW)


def assemble() -> bytes:
    """Return the whole program, 8 bytes an instruction, for a kernel that runs x86_64 programs."""
    native, compatible = _chain(0), _chain(1)
    return (
        instruction(LOAD, ARCHITECTURE)
        + instruction(JUMP_EQUAL, numbers.X86_64, 0, 1)
        + instruction(JUMP, 3)
        + instruction(JUMP_EQUAL, numbers.I386, 0, 1)
        + instruction(JUMP, 1 + len(native) // 8)
        + instruction(RETURN, _NO_SUCH_CALL)
        + native
        + compatible
    )
