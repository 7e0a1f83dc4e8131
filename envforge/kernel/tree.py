"""The one door to a directory whose content is not trusted: packages' trees, layers, uppers, staging.

Reads resolve links as the inside would, so that `/etc/x -> /root/.ssh` leads to the tree's own `/root/.ssh`.
Writes go through no link at all and never leave the tree. Magic links lead nowhere, and nothing but regular
files and directories is ever opened: a fifo would hang, a device would act. openat2(2).
"""

import errno
import fnmatch
import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from envforge.kernel import syscalls
from envforge.kernel.removal import remove_tree

_READING: Final = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_WRITING: Final = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
_TEXT_MAX_BYTES: Final = 64 << 20
"""More than any file that is read whole: status files of whole archives have 10 MiB."""
_CHUNK: Final = 1 << 20

Path = str | bytes
"""Absolute inside the tree."""


class NotRegularError(OSError):
    """Something else than a regular file of a sensible size lies where one is read."""


class Tree:
    """A directory whose content is not trusted. `name` is for messages; the descriptor is what is used."""

    def __init__(self, path: Path) -> None:
        """Open the directory at `path`, which itself is trusted."""
        self.name = os.fsdecode(path)
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self.descriptor = os.open(path, flags)

    def __enter__(self) -> Self:
        """Return itself; leaving closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the directory go."""
        os.close(self.descriptor)

    def stat(self, path: Path, *, follow: bool = True) -> os.stat_result | None:
        """Return what is at `path`, None where nothing is, or where a link leads nowhere."""
        try:
            descriptor = self._look(path, follow=follow)
        except OSError as error:
            if error.errno in _NOTHING:
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
        descriptor = self._look(path, follow=follow)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NotRegularError(errno.EINVAL, "not a regular file", self._shown(path))
            return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(descriptor)

    def read(self, path: Path, *, limit: int = _TEXT_MAX_BYTES, follow: bool = True) -> bytes:
        """Return a regular file's bytes, at most `limit`. Raises NotRegularError, OSError."""
        with open(self.open(path, follow=follow), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise NotRegularError(errno.EFBIG, f"larger than {limit} bytes", self._shown(path))
            return file.read(size)  # Python takes as much memory as it is asked for, before it reads

    def read_text(self, path: Path, *, limit: int = _TEXT_MAX_BYTES) -> str:
        """Return a file's text; bytes that are not UTF-8 become surrogates. Raises like `read`."""
        return self.read(path, limit=limit).decode("utf-8", "surrogateescape")

    def head(self, path: Path, size: int) -> bytes:
        """Return a file's first bytes, no link followed. Raises like `open`."""
        with open(self.open(path, follow=False), "rb") as file:
            return file.read(size)

    def link_target(self, path: Path) -> bytes | None:
        """Return what the symbolic link at `path` says, None where there is none."""
        try:
            descriptor = self._look(path, follow=False)
        except OSError as error:
            if error.errno in _NOTHING:
                return None
            raise
        try:
            return os.readlink(b"", dir_fd=descriptor) if stat.S_ISLNK(os.fstat(descriptor).st_mode) else None
        finally:
            os.close(descriptor)

    def names(self, path: Path = "/") -> list[bytes]:
        """Return the names in the directory at `path`, sorted; none where no directory is."""
        try:
            descriptor = syscalls.open_resolved(
                path, os.O_RDONLY | os.O_DIRECTORY, _READING, directory=self.descriptor
            )
        except OSError as error:
            if error.errno in _NOTHING:
                return []
            raise
        try:
            return sorted(map(os.fsencode, os.listdir(descriptor)))
        finally:
            os.close(descriptor)

    def matching(self, pattern: str) -> list[str]:
        """Return the paths that a shell pattern (absolute) names; directories on the way may not be links."""
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

    def open_directory(self, path: Path) -> int:
        """Return a descriptor (O_PATH) of the directory at `path`; nothing on the way is a link."""
        return self._beneath(path, os.O_PATH | os.O_DIRECTORY)

    def make_directories(self, path: Path) -> None:
        """Make the directory at `path` and those above it, as far as they are missing (0755)."""
        descriptor = self._directory(path)
        os.close(descriptor)

    def write(self, path: Path, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file in place of whatever file or link is there; directories above are made."""
        above, name = os.path.split(os.fsencode(path))
        directory = self._directory(above)
        try:
            _unlink(name, directory)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(name, flags, 0o600, dir_fd=directory), "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
        finally:
            os.close(directory)

    def overwrite(self, path: Path, data: bytes) -> None:
        """Put other bytes into the regular file at `path`; its owner stays, and its mode, set-id bits too."""
        descriptor = self._look(path, follow=False)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NotRegularError(errno.EINVAL, "not a regular file", self._shown(path))
            place = f"/proc/self/fd/{descriptor}"
            with open(place, "wb") as file:
                file.write(data)
            os.chmod(place, stat.S_IMODE(status.st_mode))  # writing clears set-id bits
        finally:
            os.close(descriptor)

    def set_time(self, path: Path, time_ns: int) -> None:
        """Give what is at `path`, a link itself, this time of its last change."""
        descriptor = self._look(path, follow=False)
        try:
            os.utime(f"/proc/self/fd/{descriptor}", ns=(time_ns, time_ns))
        finally:
            os.close(descriptor)

    def directory(self, path: Path) -> int:
        """Return a descriptor (O_PATH) of the directory at `path`, no link on the way. Raises OSError."""
        return self._beneath(path, os.O_PATH | os.O_DIRECTORY)

    def link_file(self, path: Path, source: "Tree", source_path: Path) -> None:
        """Make a hard link to a file or link of another tree, itself not followed; directories are made."""
        above, name = os.path.split(os.fsencode(path))
        source_above, source_name = os.path.split(os.fsencode(source_path))
        directory = self._directory(above)
        there = source.directory(source_above)
        try:
            os.link(source_name, name, src_dir_fd=there, dst_dir_fd=directory, follow_symlinks=False)
        finally:
            os.close(there)
            os.close(directory)

    def make_whiteout(self, path: Path) -> None:
        """Make a whiteout: overlay shows nothing there. Directories above are made as in `write`."""
        above, name = os.path.split(os.fsencode(path))
        directory = self._directory(above)
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=directory)
        finally:
            os.close(directory)

    def chown(self, path: Path, uid: int, gid: int, mode: int) -> None:
        """Give a file another owner, and its mode again, of which that takes set-id bits."""
        descriptor = self._look(path, follow=False)
        try:
            place = f"/proc/self/fd/{descriptor}"
            os.chown(place, uid, gid)
            os.chmod(place, mode)
        finally:
            os.close(descriptor)

    def drop_attribute(self, path: Path, name: bytes) -> None:
        """Take an extended attribute from a directory."""
        descriptor = self._beneath(path, os.O_PATH | os.O_DIRECTORY)
        try:
            os.removexattr(f"/proc/self/fd/{descriptor}", name)
        finally:
            os.close(descriptor)

    def remove_directory(self, path: Path) -> None:
        """Remove an empty directory."""
        above, name = os.path.split(os.fsencode(path))
        directory = self._beneath(above, os.O_PATH | os.O_DIRECTORY)
        try:
            os.rmdir(name, dir_fd=directory)
        finally:
            os.close(directory)

    def remove(self, path: Path) -> None:
        """Remove what is at `path`, a whole directory too; nothing happens where nothing is."""
        above, name = os.path.split(os.fsencode(path))
        try:
            directory = self._beneath(above, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            if error.errno in _NOTHING:
                return
            raise
        try:
            if not _unlink(name, directory):
                remove_tree(f"/proc/self/fd/{directory}/{os.fsdecode(name)}")
        finally:
            os.close(directory)

    def walk(self) -> Iterator[tuple[bytes, os.stat_result, str]]:
        """Yield path, status and place of everything in the tree, directories after what is in them.

        The place is a name that leads to just this file or link, until the next one is asked for. Nothing
        recurses, however deep the tree is. What is gone meanwhile is left out.
        """
        waiting: list[tuple[bytes, bool]] = [(b"/", False)]
        while waiting:
            path, looked_into = waiting.pop()
            try:
                descriptor = self._look(path, follow=False)
            except FileNotFoundError:
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

    def _look(self, path: Path, *, follow: bool) -> int:
        flags = os.O_PATH if follow else os.O_PATH | os.O_NOFOLLOW
        return syscalls.open_resolved(path, flags, _READING, directory=self.descriptor)

    def _beneath(self, path: Path, flags: int) -> int:
        name = os.fsencode(path).strip(b"/") or b"."
        return syscalls.open_resolved(name, flags, _WRITING, directory=self.descriptor)

    def _directory(self, path: Path) -> int:
        """Return the directory at `path`, made as far as it is missing."""
        descriptor = self._beneath(b"/", os.O_PATH | os.O_DIRECTORY)
        for part in filter(None, os.fsencode(path).split(b"/")):
            try:
                os.mkdir(part, 0o755, dir_fd=descriptor)
            except FileExistsError:
                pass
            else:
                os.chmod(part, 0o755, dir_fd=descriptor)  # noqa: S103  # whatever the umask
            try:
                below = syscalls.open_resolved(
                    part, os.O_PATH | os.O_DIRECTORY, _WRITING, directory=descriptor
                )
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor

    def _shown(self, path: Path) -> str:
        return f"{self.name}{os.fsdecode(path)}"


_NOTHING: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV)
"""What openat2 says where nothing can be reached at a path without leaving the tree."""


def _unlink(name: bytes, directory: int) -> bool:
    """Remove a name that is no directory; say whether nothing is left of it."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in {errno.EISDIR, errno.EPERM}:
            return False
        raise
    return True
