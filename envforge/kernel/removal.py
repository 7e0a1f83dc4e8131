"""Removes untrusted trees, and tells when others have removed something. Loaded on the warm path."""

import os
from errno import ENOENT, ENOTEMPTY

_DEPTH_MAX = 64
"""So many directories are open at once."""
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_still_at(descriptor: int, path: str) -> bool:
    """Return whether `path` still names the open file: another process may have removed or moved it since."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def remove_tree(path: str) -> None:
    """Remove a directory tree, whatever its modes, depth and path lengths.

    Each name is looked up in its own open directory, which is quicker than from the top, and takes paths
    longer than PATH_MAX. What lies too deep is moved up right below `path` first, so neither descriptors nor
    stack are a limit. Raises PermissionError if something in it belongs to another id.
    """
    top = _opened(path)
    if top is None:
        return
    try:
        is_empty = False
        while not is_empty:
            moved = _Moved(top)
            _empty(top, moved, 1)
            is_empty = moved.count == 0
    finally:
        os.close(top)
    _remove_directory(path)


class _Moved:
    """Directories that lie too deep go right below the top."""

    def __init__(self, top: int) -> None:
        self.count = 0
        self._top = top
        self._prefix = os.urandom(6).hex()

    def take(self, name: str, directory: int) -> None:
        """Move a directory there, unless it is gone."""
        self.count += 1
        to = f"{self._prefix}{self.count}"
        try:
            try:
                os.rename(name, to, src_dir_fd=directory, dst_dir_fd=self._top)
            except PermissionError:
                os.chmod(name, 0o700, dir_fd=directory)  # moving a directory writes to it
                os.rename(name, to, src_dir_fd=directory, dst_dir_fd=self._top)
        except FileNotFoundError:
            return


def _empty(directory: int, moved: _Moved, depth: int) -> None:
    """Remove everything in an open directory, but for what is moved."""
    with os.scandir(directory) as found:
        entries = list(found)
    for entry in entries:
        name = entry.name
        if not entry.is_dir(follow_symlinks=False):
            try:
                os.unlink(name, dir_fd=directory)
            except FileNotFoundError:
                continue
        elif depth == _DEPTH_MAX:
            moved.take(name, directory)
        else:
            below = _opened(name, directory)
            if below is None:
                continue
            try:
                _empty(below, moved, depth + 1)
            finally:
                os.close(below)
            _remove_directory(name, directory)


def _opened(name: str, directory: "int | None" = None) -> "int | None":
    """Return a directory's descriptor, after giving its owner all access; None where it is gone."""
    try:
        try:
            descriptor = os.open(name, _OPEN, dir_fd=directory)
        except PermissionError:
            os.chmod(name, 0o700, dir_fd=directory)
            descriptor = os.open(name, _OPEN, dir_fd=directory)
    except FileNotFoundError:
        return None
    if os.fstat(descriptor).st_mode & 0o700 != 0o700:
        os.fchmod(descriptor, 0o700)
    return descriptor


def _remove_directory(name: str, directory: "int | None" = None) -> None:
    try:
        os.rmdir(name, dir_fd=directory)
    except OSError as error:
        if error.errno not in (ENOENT, ENOTEMPTY):  # another process removes it too, and finishes
            raise
