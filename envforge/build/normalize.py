"""What configuration wrote becomes the same bytes every time: times clamped, the machine's traces gone."""

import os
import stat
from collections.abc import Sequence
from typing import Final

from envforge.errors import BuildError
from envforge.sandbox.tree import Tree
from envforge.sources.debian import pem
from envforge.store.listing import DIRECTORY_MTIME
from envforge.store.scan import OPAQUE

_OVERLAY: Final = b"user.overlay."
_KEY_MAX_BYTES: Final = 64 << 10
"""Files with keys are small; a certificate or a remark may stand before the key."""


def remove_paths(root: str, patterns: Sequence[str]) -> None:
    """Remove every path of the tree that one of the shell patterns (absolute inside) names."""
    with Tree(root) as tree:
        for pattern in patterns:
            for path in tree.matching(pattern):
                tree.remove(path)


def settle_times(root: str, epoch: int) -> None:
    """Give directories the format's mtime, and everything newer than `epoch` (whole seconds) that one.

    Whole seconds everywhere; overlay's private attributes go, but for the mark of an opaque directory.
    """
    with Tree(root) as tree:
        for _, status, place in tree.walk():
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                continue  # a whiteout: one inode may be shared by many
            if not stat.S_ISLNK(status.st_mode):
                _drop_overlay_marks(place)
            directory = stat.S_ISDIR(status.st_mode)
            moment = DIRECTORY_MTIME if directory else min(int(status.st_mtime), epoch)
            os.utime(place, (moment, moment))


def _drop_overlay_marks(place: str) -> None:
    for name in os.listxattr(place):
        raw = os.fsencode(name)
        if raw.startswith(_OVERLAY) and raw != OPAQUE:
            os.removexattr(place, name)


def refuse_private_keys(root: str) -> None:
    """Raise BuildError where a private key lies in the tree: a layer is for anyone to read."""
    with Tree(root) as tree:
        for path, status, place in tree.walk():
            if stat.S_ISREG(status.st_mode) and _holds_private_key(place):
                raise BuildError(
                    f"configuring made a private key, {os.fsdecode(path)}, which no layer may hold",
                    hint="a package makes a key of this machine while it is installed; please report it",
                )


def _holds_private_key(place: str) -> bool:
    with open(place, "rb") as file:
        content = file.read(_KEY_MAX_BYTES)
    return pem.MARK in content and pem.holds_private_key(content)
