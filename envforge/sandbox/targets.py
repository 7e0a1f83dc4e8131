"""Where a mount goes inside: found, or made, and attached by descriptor.

The host's tree is left before. No link leads anywhere but into the new tree: symbolic ones are resolved in it
(openat2(2)), and magic ones (/proc/1/cwd) are not followed at all. Loaded on the warm path.
"""

import os
from errno import EINVAL, ELOOP, ENOENT, ESTALE

from envforge.kernel import syscalls
from envforge.kernel.syscalls import (
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
)
from envforge.sandbox import mounts

_LEADS_NOWHERE = (ENOENT, ELOOP)  # ELOOP: a link to itself, or a magic one


def attach(tree: int, target: str, *, directory: bool) -> None:
    """Attach a detached mount, once the host is left; where `target` leads nowhere it is made first.

    The descriptor stays open: it leads to the mount where it now is.
    """
    try:
        place = open_inside(target)
    except OSError as error:
        if error.errno not in _LEADS_NOWHERE:
            raise
        place = make_target(target, directory=directory)
    try:
        syscalls.move_mount(tree, "", directory=place)
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from None
    os.close(place)


def open_inside(path: str, flags: int = 0) -> int:
    """Return a descriptor (O_PATH) of what `path` means inside."""
    return syscalls.open_resolved(path, os.O_PATH | flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)


def make_target(target: str, *, directory: bool) -> int:
    """Make a mount point and return its descriptor; a link on the way that leads nowhere gives way.

    Whoever shares the directory (a kept home has many sandboxes) may change it meanwhile: each step is taken
    from the descriptor of the one before, by a plain name.
    """
    parent, name = os.path.split(target)
    try:
        above = open_inside(parent, os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in _LEADS_NOWHERE:
            raise
        above = make_target(parent, directory=True)
    try:
        try:
            os.readlink(name, dir_fd=above)
            os.unlink(name, dir_fd=above)
        except OSError as error:
            if error.errno not in (EINVAL, ENOENT):  # no link, nothing
                raise
        try:
            if directory:
                os.mkdir(name, 0o755, dir_fd=above)
            else:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                os.close(os.open(name, flags, 0o644, dir_fd=above))
        except FileExistsError:
            pass  # made by another sandbox meanwhile
        return syscalls.open_resolved(name, os.O_PATH, RESOLVE_NO_SYMLINKS, directory=above)
    finally:
        os.close(above)


def make_link(path: str, text: str) -> None:
    """Make a symbolic link inside, with the directories above it; what is there already stays."""
    above, name = os.path.split(path)
    try:
        try:
            directory = open_inside(above, os.O_DIRECTORY)
        except FileNotFoundError:
            directory = make_target(above, directory=True)
    except OSError:
        return
    try:  # noqa: SIM105  # contextlib costs a millisecond
        os.symlink(text, name, dir_fd=directory)
    except OSError:
        pass  # something is there: the caller's own name for the place is not kept, no more
    os.close(directory)


def mask(tree: int, path: str, device: int, inode: int) -> None:
    """Cover a directory below an attached mount with an empty read-only one.

    It has to be the very one that was found there (`device` 0: whatever it is): raises ESTALE where it was
    moved meanwhile.
    """
    if not path:
        mounts.cover(f"/proc/self/fd/{tree}", path)
        return
    place = _below(tree, path)
    status = os.fstat(place)
    if device and (status.st_dev, status.st_ino) != (device, inode):
        raise OSError(ESTALE, os.strerror(ESTALE), path)
    mounts.cover(f"/proc/self/fd/{place}", path)
    os.close(place)


def protect(tree: int, path: str) -> None:
    """Make what lies below an attached mount read-only, if it is there; all of it for an empty path."""
    if not path:
        syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY)
        return
    try:
        place = _below(tree, path)
    except FileNotFoundError:
        return
    copy = _copy(place)
    syscalls.mount_setattr(copy, syscalls.MOUNT_ATTR_RDONLY, path=path)
    syscalls.move_mount(copy, "", directory=place)
    os.close(copy)
    os.close(place)


def pin(tree: int, path: str) -> None:
    """Make the directories between an attached mount and a path mount points, which cannot be renamed.

    Else somebody inside moves the parent of what is covered, and puts another one in its place.
    """
    parts = path.split("/")[:-1]
    for number in range(len(parts)):
        try:
            place = _below(tree, "/".join(parts[: number + 1]))
        except FileNotFoundError:
            return
        copy = _copy(place)
        syscalls.move_mount(copy, "", directory=place)
        os.close(copy)
        os.close(place)


def _below(tree: int, path: str) -> int:
    return syscalls.open_resolved(path, os.O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, directory=tree)


def _copy(place: int) -> int:
    flags = syscalls.OPEN_TREE_CLONE | syscalls.AT_RECURSIVE | syscalls.AT_EMPTY_PATH
    return syscalls.open_tree("", flags, directory=place)
