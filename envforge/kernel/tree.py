"""The only way to access untrusted trees by path: packages' trees, layers, uppers, staging.

Reads resolve links inside the tree, so that `/etc/x -> /root/.ssh` leads to the tree's own `/root/.ssh`
(`reading.py`). Writes follow no link at all and never leave the tree.
"""

import errno
import os
import stat

from envforge.kernel import syscalls
from envforge.kernel.reading import BENEATH, NOTHING, NotRegularError, Path, ReadTree
from envforge.kernel.removal import remove_tree

__all__ = ["NotRegularError", "Path", "Tree"]


class Tree(ReadTree):
    """An untrusted directory tree that can also be written."""

    def make_directories(self, path: Path) -> None:
        """Make the directory at `path` and its missing parents (0755)."""
        descriptor = self._directory(path)
        os.close(descriptor)

    def write(self, path: Path, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file in place of whatever file or link is there; make missing parents."""
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

    def overwrite(self, path: Path, data: bytes, *, at: int | None = None) -> None:
        """Replace the bytes of the regular file at `path`, or those from `at` on that `data` covers.

        Owner and mode stay, set-id bits included.
        """
        descriptor = self.look(path, follow=False)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NotRegularError(errno.EINVAL, "not a regular file", self.shown(path))
            place = f"/proc/self/fd/{descriptor}"
            with open(place, "wb" if at is None else "r+b") as file:
                file.seek(at or 0)
                file.write(data)
            os.chmod(place, stat.S_IMODE(status.st_mode))  # writing clears set-id bits
        finally:
            os.close(descriptor)

    def set_time(self, path: Path, time_ns: int) -> None:
        """Set the times of the file at `path`, of a link itself."""
        descriptor = self.look(path, follow=False)
        try:
            os.utime(f"/proc/self/fd/{descriptor}", ns=(time_ns, time_ns))
        finally:
            os.close(descriptor)

    def link_file(self, path: Path, source: "Tree", source_path: Path) -> None:
        """Hard-link a file of another tree (a symbolic link itself) to `path`; make missing parents."""
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
        """Make an overlayfs whiteout, which hides `path` of the lower layers; make missing parents."""
        above, name = os.path.split(os.fsencode(path))
        directory = self._directory(above)
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=directory)
        finally:
            os.close(directory)

    def chown(self, path: Path, uid: int, gid: int, mode: int) -> None:
        """Change a file's owner, then set its mode again: the former clears set-id bits."""
        descriptor = self.look(path, follow=False)
        try:
            place = f"/proc/self/fd/{descriptor}"
            os.chown(place, uid, gid)
            os.chmod(place, mode)
        finally:
            os.close(descriptor)

    def drop_attribute(self, path: Path, name: bytes) -> None:
        """Remove an extended attribute of a directory."""
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
        """Remove what is at `path`, a whole directory too; do nothing if there is nothing."""
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
        """Return a descriptor (O_PATH) of the directory at `path`, made with its parents if missing."""
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
    """Unlink a name; return False if it is a directory, True if it is gone."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in {errno.EISDIR, errno.EPERM}:
            return False
        raise
    return True
