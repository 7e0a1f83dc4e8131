"""What configuration wrote becomes the same bytes every time: times clamped, the machine's traces gone."""

import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence
from typing import Final

from envforge.errors import BuildError
from envforge.sources.debian import pem
from envforge.store.listing import DIRECTORY_MTIME
from envforge.store.scan import OPAQUE
from envforge.store.staging import remove_tree

_OVERLAY: Final = b"user.overlay."
_KEY_MAX_BYTES: Final = 64 << 10
"""Files with keys are small; a certificate or a remark may stand before the key."""


def remove_paths(root: str, patterns: Sequence[str]) -> None:
    """Remove every path of the tree that one of the shell patterns (absolute inside) names."""
    for pattern in patterns:
        for path in _matching(root, pattern):
            remove_tree(path)


def _matching(root: str, pattern: str) -> list[str]:
    found = [root]
    for part in pattern.strip("/").split("/"):
        found = [f"{directory}/{name}" for directory in found for name in _names(directory, part)]
    return found


def _names(directory: str, part: str) -> list[str]:
    if not any(character in part for character in "*?["):
        return [part] if os.path.lexists(f"{directory}/{part}") else []
    if os.path.islink(directory) or not os.path.isdir(directory):
        return []
    return fnmatch.filter(os.listdir(directory), part)


def settle_times(root: str, epoch: int) -> None:
    """Give directories the format's mtime, and everything newer than `epoch` (whole seconds) that one.

    Whole seconds everywhere; overlay's private attributes go, but for the mark of an opaque directory.
    """
    for path, status in _walk(os.fsencode(root)):
        directory = stat.S_ISDIR(status.st_mode)
        _drop_overlay_marks(path)
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            continue  # a whiteout: one inode may be shared by many
        moment = DIRECTORY_MTIME if directory else min(int(status.st_mtime), epoch)
        os.utime(path, (moment, moment), follow_symlinks=False)


def _drop_overlay_marks(path: bytes) -> None:
    if os.path.islink(path):
        return
    for name in os.listxattr(path, follow_symlinks=False):
        raw = os.fsencode(name)
        if raw.startswith(_OVERLAY) and raw != OPAQUE:
            os.removexattr(path, name, follow_symlinks=False)


def refuse_private_keys(root: str) -> None:
    """Raise BuildError where a private key lies in the tree: a layer is for anyone to read."""
    for path, status in _walk(os.fsencode(root)):
        if stat.S_ISREG(status.st_mode) and _holds_private_key(path):
            inside = os.fsdecode(path)[len(root) :]
            raise BuildError(
                f"configuring made a private key, {inside}, which must not be part of a layer",
                hint="a package makes a key of this machine while it is installed; make it at first start",
            )


def _holds_private_key(path: bytes) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with open(descriptor, "rb") as file:
        content = file.read(_KEY_MAX_BYTES)
    return pem.MARK in content and pem.holds_private_key(content)


def _walk(top: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield every path, directories after what is in them."""
    for entry in list(os.scandir(top)):
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(entry.path)
        else:
            yield entry.path, status
    yield top, os.lstat(top)
