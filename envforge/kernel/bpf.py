"""Instructions of classic BPF, of which seccomp filters are made (linux/bpf_common.h, linux/seccomp.h)."""

from typing import Final

LOAD: Final = 0x20
JUMP: Final = 0x05
JUMP_EQUAL: Final = 0x15
JUMP_AT_LEAST: Final = 0x35
JUMP_ANY_BIT: Final = 0x45
RETURN: Final = 0x06

ALLOW: Final = 0x7FFF0000
NOTIFY: Final = 0x7FC00000
ERRNO: Final = 0x00050000
"""Results; the last one with the errno in its low half."""

# struct seccomp_data; the low half of an argument comes first on every architecture that has a filter here.
NUMBER: Final = 0
ARCHITECTURE: Final = 4
ARGUMENTS: Final = 16


def instruction(operation: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """Return one struct sock_filter; `then` and `otherwise` are how many instructions a jump skips."""
    return operation.to_bytes(2, "little") + bytes((then, otherwise)) + value.to_bytes(4, "little")


def load_argument(index: int) -> bytes:
    """Return the instruction that loads an argument's low half."""
    return instruction(LOAD, ARGUMENTS + 8 * index)
