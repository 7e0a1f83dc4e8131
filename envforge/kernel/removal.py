"""Removes untrusted trees, and tells when others have removed something. Loaded on the warm path."""

import os
from errno import ENOENT, ENOTEMPTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def is_still_at(descriptor: int, path: str) -> bool:
    """Return whether `path` still names the open file: another process may have removed or moved it since."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def remove_tree(path: str) -> None:
    """Remove a directory tree, whatever its modes, depth and path lengths.

    Subdirectories are moved up right below `path` before they are emptied, so neither the stack nor PATH_MAX
    is a limit. Raises PermissionError if something in it belongs to another id.
    """
    prefix = os.urandom(6).hex()
    pending = [path]
    count = 0
    emptied = []
    while pending:
        current = pending.pop()
        for entry in _entries(current):
            if not entry.is_dir(follow_symlinks=False):
                _tolerate_absence(os.unlink, entry.path)
            elif current == path:
                pending.append(entry.path)
            else:
                count += 1
                moved = f"{path}/{prefix}{count}"
                _tolerate_absence(_move, entry.path, moved)
                pending.append(moved)
        emptied.append(current)
    for current in reversed(emptied):
        try:
            os.rmdir(current)
        except OSError as error:
            if error.errno not in (ENOENT, ENOTEMPTY):  # another process removes it too, and finishes
                raise


def _entries(path: str) -> "list[os.DirEntry[str]]":
    """Return a directory's entries, after giving its owner all access."""
    try:
        if os.lstat(path).st_mode & 0o700 != 0o700:
            os.chmod(path, 0o700)
        return list(os.scandir(path))
    except FileNotFoundError:
        return []


def _move(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except PermissionError:
        os.chmod(source, 0o700)  # moving a directory writes to it
        os.rename(source, target)


def _tolerate_absence(function: "Callable[..., None]", *paths: str) -> None:
    try:
        function(*paths)
    except FileNotFoundError:
        return
