"""Writes the members of a hostile archive beneath a directory that others may change meanwhile.

No link is followed on the way, nothing outside is touched, a directory is never replaced, files and links
appear whole, by a rename. There are no devices, pipes and set-id bits. It needs no /proc.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from envforge.archives import names
from envforge.archives.tar import Member
from envforge.errors import ArchiveError, ConflictError
from envforge.kernel.reading import NOTHING
from envforge.kernel.tree import Tree
from envforge.whole_file import write_all

_HOLE: Final = bytes(64 << 10)
_NS: Final = 10**9
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Owner = Callable[[int, int], tuple[int, int]]
"""Translates uid and gid of the archive to those that this side has."""


class Writer:
    """Puts members into a tree; paths are relative to it, without `..`."""

    def __init__(self, tree: Tree, owner: Owner | None = None) -> None:
        """Prepare to write. Without `owner`, all belongs to the caller."""
        self._tree = tree
        self._owner = owner
        self._directories: list[tuple[bytes, Member]] = []
        self._written: dict[bytes, bytes] = {}
        """Where the archive's files are, for hard links to them."""
        free = os.fstatvfs(tree.descriptor)
        self._left_bytes = free.f_bavail * free.f_frsize
        self.files = 0
        self.size_bytes = 0

    def add(self, member: Member, path: bytes, content: Iterable[memoryview]) -> None:
        """Put a member there. Raises ArchiveError, ConflictError, OSError."""
        if member.kind == "directory":
            self._directory(path, member)
            return
        if not path:
            raise ArchiveError(f"the {member.kind} {names.shown(member.name)} has no name of its own")
        if member.kind == "file":
            self._file(path, member, content)
        elif member.kind == "symlink":
            self._link(path, member)
        elif member.kind == "hardlink":
            self._hard_link(path, member)
        else:
            raise ArchiveError(f"it contains {names.shown(member.name)}, a {member.kind} device")
        self.files += 1

    def finish(self) -> None:
        """Give the directories that were made their owners, modes and times."""
        for path, member in reversed(self._directories):
            with suppress(OSError):  # somebody has moved it away
                descriptor = self._tree.beneath(path, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    self._settle(descriptor, member, 0o1777)
                finally:
                    os.close(descriptor)

    def _directory(self, path: bytes, member: Member) -> None:
        """Make a directory; one that is there stays as it is."""
        if not path:
            return
        with self._above(path) as (above, name):
            try:
                os.mkdir(name, 0o700, dir_fd=above)
            except FileExistsError:
                if not stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
                    raise ConflictError(
                        f"{self._shown(path)} is no directory: none can take its place", hint="move it away"
                    ) from None
                return
        self._directories.append((path, member))

    def _file(self, path: bytes, member: Member, content: Iterable[memoryview]) -> None:
        self._left_bytes -= member.size
        if self._left_bytes < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._shown(path))
        with self._placing(path) as (above, beside):
            descriptor = os.open(beside, _NEW_FILE, 0o600, dir_fd=above)
            try:
                _fill(descriptor, content, member.size)
                self._settle(descriptor, member, 0o777)
            finally:
                os.close(descriptor)
        self._written[b"/".join(names.parts(member.name))] = path
        self.size_bytes += member.size

    def _link(self, path: bytes, member: Member) -> None:
        if not member.target or b"\0" in member.target:
            raise ArchiveError(f"the link {names.shown(member.name)} leads to {names.shown(member.target)}")
        with self._placing(path) as (above, beside):
            os.symlink(member.target, beside, dir_fd=above)
            if self._owner is not None:
                os.chown(beside, *self._owner(member.uid, member.gid), dir_fd=above, follow_symlinks=False)
            os.utime(beside, ns=(member.mtime * _NS,) * 2, dir_fd=above, follow_symlinks=False)

    def _hard_link(self, path: bytes, member: Member) -> None:
        first = self._written.get(b"/".join(names.parts(member.target)))
        if first is None:
            raise ArchiveError(
                f"{names.shown(member.name)} is a hard link to {names.shown(member.target)}, no file of it"
            )
        with self._above(first) as (there, name), self._placing(path) as (above, beside):
            os.link(name, beside, src_dir_fd=there, dst_dir_fd=above, follow_symlinks=False)

    def _settle(self, descriptor: int, member: Member, modes: int) -> None:
        if self._owner is not None:
            os.fchown(descriptor, *self._owner(member.uid, member.gid))
        os.fchmod(descriptor, member.mode & modes)
        os.utime(descriptor, ns=(member.mtime * _NS,) * 2)

    @contextmanager
    def _above(self, path: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield a descriptor of the directory above a path, which is made if it is missing, and the name."""
        above, name = os.path.split(path)
        try:
            if above:
                self._tree.make_directories(above)
            descriptor = self._tree.beneath(above, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            if error.errno in NOTHING:
                raise ConflictError(
                    f"{self._shown(above)} is no directory: {os.fsdecode(name)!r} cannot come to lie in it",
                    hint="links are not followed there; move it away",
                ) from None
            raise
        try:
            yield descriptor, name
        finally:
            os.close(descriptor)

    @contextmanager
    def _placing(self, path: bytes) -> Iterator[tuple[int, str]]:
        """Yield a directory and a name to make something under; it takes the place of what is at `path`."""
        with self._above(path) as (above, name):
            beside = f".envforge-{os.urandom(8).hex()}"
            try:
                yield above, beside
                os.rename(beside, name, src_dir_fd=above, dst_dir_fd=above)
            except IsADirectoryError:
                raise ConflictError(
                    f"{self._shown(path)} is a directory: no file can take its place", hint="move it away"
                ) from None
            except OSError as error:
                if error.errno == errno.EBUSY:
                    raise ConflictError(
                        f"{self._shown(path)} is mounted there: nothing can take its place",
                        hint="copy to where it comes from",
                    ) from None
                raise type(error)(error.errno, error.strerror, self._shown(path)) from None
            finally:
                with suppress(FileNotFoundError):  # a rename to another name of the same file leaves it
                    os.unlink(beside, dir_fd=above)

    def _shown(self, path: bytes) -> str:
        return os.path.join(self._tree.name, os.fsdecode(path))


def _fill(descriptor: int, content: Iterable[memoryview], size: int) -> None:
    """Write the pieces; blocks of zeros become holes."""
    for piece in content:
        for start in range(0, len(piece), len(_HOLE)):
            block = piece[start : start + len(_HOLE)]
            if block[0] == 0 and bytes(block) == _HOLE[: len(block)]:
                os.lseek(descriptor, len(block), os.SEEK_CUR)
            else:
                write_all(descriptor, block)
    os.ftruncate(descriptor, size)
