"""What an overlay of directories shows, looked up in them without mounting it (filesystems/overlayfs.rst).

For a confined process, which may not mount, and for directories that a sandbox goes on changing meanwhile:
what vanishes between two looks is as good as gone.
"""

import errno
import os
import stat
from collections.abc import Sequence
from typing import Final

from envforge.kernel.reading import NotRegularError, Path, ReadTree

OPAQUE: Final = "user.overlay.opaque"
_LINKS_FOLLOWED: Final = 40

Found = tuple[int, os.stat_result]
"""Which of the directories shows it, and its status there."""


class Merged:
    """Untrusted directories, topmost first, as one tree."""

    def __init__(self, trees: Sequence[ReadTree]) -> None:
        self._trees = trees
        self._having: dict[bytes, tuple[int, ...]] = {b"/": tuple(range(len(trees)))}

    def stat(self, path: bytes) -> Found | None:
        """Return what is at an absolute path, no link followed; None if nothing is."""
        above, name = os.path.split(path)
        if not name:
            return (0, os.fstat(self._trees[0].descriptor)) if self._trees else None
        for number in self.having(above):
            status = self._trees[number].stat(path, follow=False)
            if status is not None:
                return None if is_whiteout(status) else (number, status)
        return None

    def having(self, directory: bytes) -> tuple[int, ...]:
        """Return which of the directories have a part of this one, topmost first; none where it is none."""
        missing = []
        while directory not in self._having:  # not by recursion: others decide how deep it is
            missing.append(directory)
            directory = os.path.dirname(directory)
        for path in reversed(missing):
            self._having[path] = self._parts(path, self._having[os.path.dirname(path)])
        return self._having[missing[0] if missing else directory]

    def _parts(self, path: bytes, above: tuple[int, ...]) -> tuple[int, ...]:
        found = []
        for number in above:
            tree = self._trees[number]
            status = tree.stat(path, follow=False)
            if status is None:
                continue
            if not stat.S_ISDIR(status.st_mode):
                break
            found.append(number)
            if is_opaque(tree, path):
                break
        return tuple(found)

    def is_file(self, path: Path) -> bool:
        """Say whether a regular file is there, links followed."""
        found = self.stat(self._real(path))
        return found is not None and stat.S_ISREG(found[1].st_mode)

    def read_text(self, path: Path) -> str:
        """Return a file's text, links followed. Raises NotRegularError, OSError."""
        real = self._real(path)
        found = self.stat(real)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fsdecode(path))
        return self._trees[found[0]].read_text(real)

    def _real(self, path: Path) -> bytes:
        """Return a path with its links followed inside. Raises NotRegularError for too many of them."""
        done, waiting = b"", os.fsencode(path).split(b"/")
        links = 0
        while waiting:
            part = waiting.pop(0)
            if part in {b"", b"."}:
                continue
            if part == b"..":
                done = os.path.dirname(done).rstrip(b"/")
                continue
            found = self.stat(done + b"/" + part)
            done += b"/" + part
            target = self._trees[found[0]].link_target(done) if found is not None else None
            if target is None:
                continue
            links += 1
            if links > _LINKS_FOLLOWED:
                raise NotRegularError(errno.ELOOP, os.strerror(errno.ELOOP), os.fsdecode(path))
            done = b"" if target.startswith(b"/") else os.path.dirname(done).rstrip(b"/")
            waiting = target.split(b"/") + waiting
        return done or b"/"


def is_whiteout(status: os.stat_result) -> bool:
    """Say whether it hides what lower directories have there."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(tree: ReadTree, path: bytes) -> bool:
    """Say whether a directory hides what lower ones have in it."""
    try:
        descriptor = tree.look(path, follow=False)
    except OSError:
        return False
    try:
        return os.getxattr(f"/proc/self/fd/{descriptor}", OPAQUE) == b"y"
    except OSError:
        return False
    finally:
        os.close(descriptor)
