"""Debian's names of machine architectures."""

import os
from typing import Final

_MACHINES: Final = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "armhf",
    "i686": "i386",
    "ppc64le": "ppc64el",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
"""The kernel's name of a machine -> Debian's name of its architecture."""


KNOWN: Final = ("amd64", "arm64", "armel", "armhf", "i386", "mips64el", "ppc64el", "riscv64", "s390x")
"""The architectures that can be locked for: Debian's release architectures. Not every suite has each."""


def native() -> str:
    """Return Debian's name of this machine's architecture."""
    machine = os.uname().machine
    return _MACHINES.get(machine, machine)
