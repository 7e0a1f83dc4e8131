"""Reads untrusted directory trees: links resolve inside the tree, as after chroot (openat2(2)).

Magic links are refused, and nothing but regular files and directories is ever opened: a fifo would hang, a
device would act. `tree.py` adds writing.
"""

import errno
import fnmatch
import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Protocol, Self

from envforge.kernel import syscalls

_READING: Final = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
BENEATH: Final = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
"""Follow no link at all, and never leave the tree."""
_TEXT_MAX_BYTES: Final = 64 << 20
"""More than any file that is read whole: status files of whole archives have 10 MiB."""
_CHUNK: Final = 1 << 20

NOTHING: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV)
"""Errors of openat2 for a path that leads to nothing inside the tree."""

Path = str | bytes
"""Absolute inside the tree."""


class NotRegularError(OSError):
    """The path to read is no regular file, or one that is too large."""


class Readable(Protocol):
    """What databases in a tree are read by: a ReadTree, or several that lie over each other."""

    def is_file(self, path: Path) -> bool:
        """Say whether a regular file is there, links followed."""

    def read_text(self, path: Path) -> str:
        """Return a file's text, links followed. Raises NotRegularError, OSError."""


class ReadTree:
    """An untrusted directory tree, accessed through its descriptor only; `name` is for messages."""

    def __init__(self, path: Path) -> None:
        """Open the directory at `path`, which itself is trusted."""
        self.name = os.fsdecode(path)
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self.descriptor = os.open(path, flags)

    @classmethod
    def of(cls, descriptor: int, name: str) -> Self:
        """Return the tree of a directory that is open; leaving it closes the descriptor."""
        tree = cls.__new__(cls)
        tree.name, tree.descriptor = name, descriptor
        return tree

    def __enter__(self) -> Self:
        """Return itself; leaving closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)

    def stat(self, path: Path, *, follow: bool = True) -> os.stat_result | None:
        """Return the status of `path`, None if nothing is there or a link dangles."""
        try:
            descriptor = self.look(path, follow=follow)
        except OSError as error:
            if error.errno in NOTHING:
                return None
            raise
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def is_file(self, path: Path) -> bool:
        """Say whether a regular file is there, links followed."""
        status = self.stat(path)
        return status is not None and stat.S_ISREG(status.st_mode)

    def is_directory(self, path: Path) -> bool:
        """Say whether a directory is there, links followed."""
        status = self.stat(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def holds(self, path: Path) -> bool:
        """Say whether anything is there, a dangling link too."""
        return self.stat(path, follow=False) is not None

    def open(self, path: Path, *, follow: bool = True) -> int:
        """Return a descriptor to read the regular file at `path`. Raises NotRegularError, OSError."""
        descriptor = self.look(path, follow=follow)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NotRegularError(errno.EINVAL, "not a regular file", self.shown(path))
            return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(descriptor)

    def open_beneath(self, path: Path) -> int:
        """Return a descriptor to read the regular file at `path`, no link on the way.

        For processes without a /proc of their own. What was put in the file's place meanwhile is opened at
        worst without waiting for it, and closed at once. Raises NotRegularError, OSError.
        """
        looked = self.beneath(path, os.O_PATH | os.O_NOFOLLOW)
        try:
            before = os.fstat(looked)
        finally:
            os.close(looked)
        if not stat.S_ISREG(before.st_mode):
            raise NotRegularError(errno.EINVAL, "not a regular file", self.shown(path))
        descriptor = self.beneath(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
        if not os.path.samestat(before, os.fstat(descriptor)):
            os.close(descriptor)
            raise NotRegularError(errno.EINVAL, "was replaced meanwhile", self.shown(path))
        return descriptor

    def read(self, path: Path, *, limit: int = _TEXT_MAX_BYTES, follow: bool = True) -> bytes:
        """Return a regular file's bytes, at most `limit`. Raises NotRegularError, OSError."""
        with open(self.open(path, follow=follow), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise NotRegularError(errno.EFBIG, f"larger than {limit} bytes", self.shown(path))
            return file.read(size)  # read(limit) would allocate all of `limit` first

    def read_text(self, path: Path, *, limit: int = _TEXT_MAX_BYTES) -> str:
        """Return a file's text; bytes that are not UTF-8 become surrogates. Raises like `read`."""
        return self.read(path, limit=limit).decode("utf-8", "surrogateescape")

    def head(self, path: Path, size: int) -> bytes:
        """Return a file's first bytes, no link followed. Raises like `open`."""
        with open(self.open(path, follow=False), "rb") as file:
            return file.read(size)

    def link_target(self, path: Path) -> bytes | None:
        """Return the target of the symbolic link at `path`, None if there is none."""
        try:
            descriptor = self.look(path, follow=False)
        except OSError as error:
            if error.errno in NOTHING:
                return None
            raise
        try:
            return os.readlink(b"", dir_fd=descriptor) if stat.S_ISLNK(os.fstat(descriptor).st_mode) else None
        finally:
            os.close(descriptor)

    def names(self, path: Path = "/") -> list[bytes]:
        """Return the names in the directory at `path`, sorted; none if there is no directory."""
        try:
            descriptor = syscalls.open_resolved(
                path, os.O_RDONLY | os.O_DIRECTORY, _READING, directory=self.descriptor
            )
        except OSError as error:
            if error.errno in NOTHING:
                return []
            raise
        try:
            return sorted(map(os.fsencode, os.listdir(descriptor)))
        finally:
            os.close(descriptor)

    def matching(self, pattern: str) -> list[str]:
        """Return the paths that match an absolute shell pattern; links to directories are not searched."""
        found = [""]
        for part in pattern.strip("/").split("/"):
            found = [f"{above}/{name}" for above in found for name in self._matching(above, part)]
        return found

    def _matching(self, above: str, part: str) -> list[str]:
        if above and not self.is_plain_directory(above):
            return []
        if not any(character in part for character in "*?["):
            return [part] if self.holds(f"{above}/{part}") else []
        return fnmatch.filter(map(os.fsdecode, self.names(above or "/")), part)

    def is_plain_directory(self, path: Path) -> bool:
        """Say whether a directory is there, and no link to one."""
        status = self.stat(path, follow=False)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def directory(self, path: Path) -> int:
        """Return a descriptor (O_PATH) of the directory at `path`, no link on the way. Raises OSError."""
        return self.beneath(path, os.O_PATH | os.O_DIRECTORY)

    def walk(self, too_deep: list[bytes] | None = None) -> Iterator[tuple[bytes, os.stat_result, str]]:
        """Yield path, status and handle of everything in the tree, directories after their entries.

        The handle is a path in /proc/self/fd to this very file or link, valid until the next step. Nothing
        recurses, however deep the tree is. Entries that vanish meanwhile are left out; paths that are longer
        than a system call takes are put into `too_deep`, or are an OSError where there is none.
        """
        waiting: list[tuple[bytes, bool]] = [(b"/", False)]
        while waiting:
            path, looked_into = waiting.pop()
            try:
                descriptor = self.look(path, follow=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG or too_deep is None:
                    raise
                too_deep.append(path)
                continue
            try:
                status = os.fstat(descriptor)
                if looked_into or not stat.S_ISDIR(status.st_mode):
                    yield path, status, f"/proc/self/fd/{descriptor}"
                    continue
            finally:
                os.close(descriptor)
            waiting.append((path, True))
            waiting += [(path.rstrip(b"/") + b"/" + name, False) for name in self.names(path)]

    def look(self, path: Path, *, follow: bool) -> int:
        """Return a descriptor (O_PATH) of whatever is at `path`. Raises OSError."""
        flags = os.O_PATH if follow else os.O_PATH | os.O_NOFOLLOW
        return syscalls.open_resolved(path, flags, _READING, directory=self.descriptor)

    def beneath(self, path: Path, flags: int) -> int:
        """Open `path` without following any link. Raises OSError."""
        name = os.fsencode(path).strip(b"/") or b"."
        return syscalls.open_resolved(name, flags, BENEATH, directory=self.descriptor)

    def shown(self, path: Path) -> str:
        """Return a path for messages."""
        return f"{self.name}{os.fsdecode(path)}"
