"""Where a mount goes inside: found, or made, and attached by descriptor.

The host's tree is left before. No link leads anywhere but into the new tree: symbolic ones are resolved in it
(openat2(2)), and magic ones (/proc/1/cwd) are not followed at all. Loaded on the warm path.
"""

import os
from errno import EINVAL, ELOOP, ENOENT

from envforge.sandbox import mounts, syscalls
from envforge.sandbox.syscalls import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS

_LEADS_NOWHERE = (ENOENT, ELOOP)  # ELOOP: a link to itself, or a magic one


def attach(tree: int, target: str, *, directory: bool) -> None:
    """Attach a detached mount, once the host is left; where `target` leads nowhere it is made first."""
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
    os.close(tree)


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


def mask(path: str) -> None:
    """Cover a directory inside with an empty read-only one, a file with /dev/null, if there is one."""
    try:
        place = open_inside(path)
    except FileNotFoundError:
        return
    mounts.cover(f"/proc/self/fd/{place}", path)
    os.close(place)
