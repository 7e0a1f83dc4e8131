"""The running kernel's version, and the first versions with what a sandbox needs."""

import os
from itertools import takewhile
from typing import Final

OVERLAY: Final = (5, 12)
"""Overlay in user namespaces, and mount_setattr(2)."""
OVER_IDMAPPED: Final = (5, 19)
"""Overlay over idmapped mounts."""
COUNTS_BY_NAMESPACE: Final = (5, 14)
"""RLIMIT_NPROC counts a user's processes in each user namespace by itself."""


def version(release: str = "") -> tuple[int, int]:
    """Return the first two numbers of a release, by default this kernel's; (0, 0) for another form."""
    major, minor, *_ = (*(release or os.uname().release).split("."), "")
    minor = "".join(takewhile(str.isdecimal, minor))
    return (int(major), int(minor)) if major.isdecimal() and minor else (0, 0)
