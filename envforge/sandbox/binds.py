"""Bind mounts: host paths opened as detached mounts before the root changes, attached inside afterwards.

Sources are opened by openat2(2), so that links lead nowhere that the spec may not name. Targets are resolved
once the host's tree is unmounted: symbolic links inside, magic links (/proc/1/cwd) not at all. Loaded on the
warm path.
"""

import os
from errno import EINVAL, ELOOP, ENOENT, ESTALE

from envforge.kernel import syscalls
from envforge.kernel.syscalls import (
    AT_EMPTY_PATH,
    AT_RECURSIVE,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    OPEN_TREE_CLONE,
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
)
from envforge.sandbox import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from envforge.sandbox.compiled import Plan

_LEADS_NOWHERE = (ENOENT, ELOOP)  # ELOOP: a link to itself, or a magic one


class Source:
    """A detached mount and its target; `path` is its real path on the host, None if it needs no masks."""

    __slots__ = ("directory", "path", "target", "tree")

    def __init__(self, tree: int, target: str, path: "str | None" = None) -> None:
        self.tree = tree
        self.target = target
        self.path = path
        self.directory = os.fstat(tree).st_mode & 0o170000 == 0o040000


def open_source(path: str, *, read_only: bool = False) -> int:
    """Return a detached recursive copy of the mount at `path`, guarded."""
    return guard(syscalls.open_tree(path, OPEN_TREE_CLONE | AT_RECURSIVE), path, read_only=read_only)


def guard(tree: int, path: str, *, read_only: bool, ids: int = -1) -> int:
    """Make a detached mount nosuid and nodev, and with `read_only` read-only; return it.

    It is idmapped to the user namespace `ids`, if that is given and its file system can be.
    """
    attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (MOUNT_ATTR_RDONLY if read_only else 0)
    if ids >= 0:
        mapped = attributes | syscalls.MOUNT_ATTR_IDMAP
        try:
            syscalls.mount_setattr(tree, mapped, user_namespace=ids, path=path)
        except OSError:
            pass  # the payload sees its files as nobody's
        else:
            return tree
    syscalls.mount_setattr(tree, attributes, path=path)
    return tree


def open_sources(plan: "Plan") -> list[Source]:
    """Open the sources of the plan's bind mounts; a missing optional one is left out."""
    sources = []
    for number, (source, target, read_only, optional) in enumerate(plan["mounts"]):
        try:
            tree, path = open_tree_of(plan, number, source)
        except FileNotFoundError:
            if not optional:
                raise
            continue
        sources.append(Source(guard(tree, source, read_only=read_only), target, path))
    return sources


def open_tree_of(plan: "Plan", number: int, source: str) -> "tuple[int, str | None]":
    """Return a detached copy of a source, and its real path; None for one that envforge itself chose.

    A source that a spec names is opened without following any link: its links were resolved, and the result
    allowed, when the plan was made. Links of a source inside the project may lead elsewhere in the project,
    never out of it. Raises OSError (ELOOP, EXDEV).
    """
    ways = plan["ways"]
    within = ways[number] if number < len(ways) else None
    if within is None:
        return syscalls.open_tree(source, OPEN_TREE_CLONE | AT_RECURSIVE), None
    place = open_beneath(within, source) if within else open_exactly(source)
    try:
        path = os.readlink(f"/proc/self/fd/{place}")
        return syscalls.open_tree("", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH, directory=place), path
    finally:
        os.close(place)


def open_exactly(path: str) -> int:
    """Return a descriptor (O_PATH) of an absolute path, which must have no links."""
    return syscalls.open_resolved(path, os.O_PATH, RESOLVE_NO_SYMLINKS)


def open_beneath(directory: str, path: str) -> int:
    """Return a descriptor (O_PATH) of a path below a directory, whose links may not lead out of it."""
    inner = os.path.relpath(path, directory)  # the kernel refuses one that begins with ..
    top = open_exactly(directory)
    try:
        resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
        return syscalls.open_resolved(inner, os.O_PATH, resolve, directory=top)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, path) from None
    finally:
        os.close(top)


def with_parents(paths: "Iterable[str]") -> tuple[str, ...]:
    """Return these absolute directories and all directories above them, parents first, without the root."""
    found = set()
    for path in paths:
        while path not in ("/", "") and path not in found:
            found.add(path)
            path = os.path.dirname(path)  # noqa: PLW2901
    return tuple(sorted(found))


def make_points(sources: "Iterable[Source]") -> None:
    """Add the mount points of these sources to the skeleton, which has their parents already."""
    for source in sources:
        path = f"{mounts.SCRATCH}/skeleton{source.target}"
        try:
            if source.directory:
                os.mkdir(path)
            else:
                os.mknod(path, 0o644)
        except (FileExistsError, FileNotFoundError):
            continue  # the parent of another source, or below a mount of the sandbox's own


def attach(tree: int, target: str, *, directory: bool) -> None:
    """Attach a detached mount, once the host's tree is unmounted; make `target` if it does not exist.

    The descriptor stays open and refers to the attached mount.
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
    """Return a descriptor (O_PATH) of `path` as it resolves inside."""
    return syscalls.open_resolved(path, os.O_PATH | flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)


def make_target(target: str, *, directory: bool) -> int:
    """Make a mount point with its parents and return its descriptor; dangling links on the way are replaced.

    Other sandboxes may change the directory meanwhile (a kept home is shared): each component is made and
    opened from its parent's descriptor by a plain name, so no race leads elsewhere.
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
        pass  # the path is taken: only the caller's own name for the place is lost
    os.close(directory)


def mask(tree: int, path: str, device: int, inode: int) -> None:
    """Cover a directory below an attached mount with an empty read-only one.

    It must be the inode that `masks.find` saw there (`device` 0: any): raises ESTALE if it was moved since.
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
    """Make a path below an attached mount read-only, if it exists; the whole mount for an empty path."""
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
    """Turn the directories between an attached mount and a path into mount points, which cannot be renamed.

    Else the inside could rename a parent of a covered path, and put another directory in its place.
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
