"""The one door to a directory whose content is not trusted: packages' trees, layers, uppers, staging.

Reads resolve links as the inside would, so that `/etc/x -> /root/.ssh` leads to the tree's own `/root/.ssh`
(`reading.py`). Writes go through no link at all and never leave the tree.
"""

import errno
import os
import stat

from envforge.kernel import syscalls
from envforge.kernel.reading import BENEATH, NOTHING, NotRegularError, Path, ReadTree
from envforge.kernel.removal import remove_tree

__all__ = ["NotRegularError", "Path", "Tree"]


class Tree(ReadTree):
    """A directory whose content is not trusted, to be written too."""

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
        descriptor = self.look(path, follow=False)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NotRegularError(errno.EINVAL, "not a regular file", self.shown(path))
            place = f"/proc/self/fd/{descriptor}"
            with open(place, "wb") as file:
                file.write(data)
            os.chmod(place, stat.S_IMODE(status.st_mode))  # writing clears set-id bits
        finally:
            os.close(descriptor)

    def set_time(self, path: Path, time_ns: int) -> None:
        """Give what is at `path`, a link itself, this time of its last change."""
        descriptor = self.look(path, follow=False)
        try:
            os.utime(f"/proc/self/fd/{descriptor}", ns=(time_ns, time_ns))
        finally:
            os.close(descriptor)

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
        descriptor = self.look(path, follow=False)
        try:
            place = f"/proc/self/fd/{descriptor}"
            os.chown(place, uid, gid)
            os.chmod(place, mode)
        finally:
            os.close(descriptor)

    def drop_attribute(self, path: Path, name: bytes) -> None:
        """Take an extended attribute from a directory."""
        descriptor = self.beneath(path, os.O_PATH | os.O_DIRECTORY)
        try:
            os.removexattr(f"/proc/self/fd/{descriptor}", name)
        finally:
            os.close(descriptor)

    def remove_directory(self, path: Path) -> None:
        """Remove an empty directory."""
        above, name = os.path.split(os.fsencode(path))
        directory = self.beneath(above, os.O_PATH | os.O_DIRECTORY)
        try:
            os.rmdir(name, dir_fd=directory)
        finally:
            os.close(directory)

    def remove(self, path: Path) -> None:
        """Remove what is at `path`, a whole directory too; nothing happens where nothing is."""
        above, name = os.path.split(os.fsencode(path))
        try:
            directory = self.beneath(above, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            if error.errno in NOTHING:
                return
            raise
        try:
            if not _unlink(name, directory):
                remove_tree(f"/proc/self/fd/{directory}/{os.fsdecode(name)}")
        finally:
            os.close(directory)

    def _directory(self, path: Path) -> int:
        """Return the directory at `path`, made as far as it is missing."""
        descriptor = self.beneath(b"/", os.O_PATH | os.O_DIRECTORY)
        for part in filter(None, os.fsencode(path).split(b"/")):
            try:
                os.mkdir(part, 0o755, dir_fd=descriptor)
            except FileExistsError:
                pass
            else:
                os.chmod(part, 0o755, dir_fd=descriptor)  # noqa: S103  # whatever the umask
            try:
                below = syscalls.open_resolved(
                    part, os.O_PATH | os.O_DIRECTORY, BENEATH, directory=descriptor
                )
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor


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
