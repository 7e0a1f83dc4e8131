"""Makes what configuring wrote reproducible: clamps times, removes paths and overlayfs' xattrs."""

import os
import stat
from collections.abc import Callable, Sequence
from typing import Final

from envforge.kernel.tree import Tree
from envforge.store.listing import DIRECTORY_MTIME
from envforge.store.scan import OPAQUE

_OVERLAY: Final = b"user.overlay."
_GZIP: Final = b"\x1f\x8b"
_GZIP_TIME: Final = slice(4, 8)
_NANOSECONDS: Final = 1_000_000_000


def remove_paths(root: str, patterns: Sequence[str]) -> list[str]:
    """Remove every path of the tree that matches a shell pattern (absolute inside); return the paths."""
    gone = []
    with Tree(root) as tree:
        for pattern in patterns:
            for path in tree.matching(pattern):
                tree.remove(path)
                gone.append(path)
    return gone


def settle_times(root: str, epoch: int) -> None:
    """Give directories the format's mtime; clamp all other mtimes to `epoch` and to whole seconds.

    What has the right time is left alone: it may be a hard link into a package's tree.
    overlayfs' private xattrs are removed, except the mark of an opaque directory.
    """
    with Tree(root) as tree:
        for _, status, place in tree.walk():
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                continue  # a whiteout: one inode may be shared by many
            if not stat.S_ISLNK(status.st_mode):
                _drop_overlay_marks(place)
            directory = stat.S_ISDIR(status.st_mode)
            moment = DIRECTORY_MTIME if directory else min(int(status.st_mtime), epoch)
            if status.st_mtime_ns != moment * _NANOSECONDS:
                os.utime(place, (moment, moment))


def settle_compressed(root: str, epoch: int, ships: Callable[[str], bool]) -> None:
    """Clamp the time that a gzip file has in its header to `epoch`: gzip writes its input's (RFC 1952).

    What a package ships, as `ships` says of a path, stays as it is, whoever owns it now.
    """
    with Tree(root) as tree:
        for path, status, _ in tree.walk():
            if not (path.endswith(b".gz") and stat.S_ISREG(status.st_mode)):
                continue
            head = tree.head(path, _GZIP_TIME.stop)
            is_late = head.startswith(_GZIP) and int.from_bytes(head[_GZIP_TIME], "little") > epoch
            if is_late and not ships(os.fsdecode(path)):
                tree.overwrite(path, epoch.to_bytes(4, "little"), at=_GZIP_TIME.start)


def _drop_overlay_marks(place: str) -> None:
    for name in os.listxattr(place):
        raw = os.fsencode(name)
        if raw.startswith(_OVERLAY) and raw != OPAQUE:
            os.removexattr(place, name)
