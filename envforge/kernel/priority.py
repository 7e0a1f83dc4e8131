"""The lowest priorities, for work in the background."""

import os
from typing import Final

from envforge.kernel import syscalls

_NICE: Final = 19
_NR_IOPRIO_SET: Final = {"x86_64": 251}
_NR_IOPRIO_SET_GENERIC: Final = 30
"""On architectures with the common table of system calls: arm64, riscv64."""
_WHO_PROCESS: Final = 1
_CLASS_IDLE: Final = 3 << 13


def be_idle() -> None:
    """Give this process what nobody else wants of processor and disk (setpriority(2), ioprio_set(2))."""
    os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    number = _NR_IOPRIO_SET.get(os.uname().machine, _NR_IOPRIO_SET_GENERIC)
    syscalls.call(number, _WHO_PROCESS, 0, _CLASS_IDLE)
