"""Names of containers: unique in a store, given as Docker does. Loaded on the warm path.

    STORE/containers/names/<name>   a symbolic link to the id; symlink(2) decides who has a name

A link whose container is gone counts for nothing. The directory is flocked by who changes what is in it, so
that nobody takes another's new link for an old one.
"""

import os
from fcntl import LOCK_EX, flock

from envforge.containers import records
from envforge.errors import ConflictError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envforge.containers.records import Container

_FIRST = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_LETTERS = _FIRST | frozenset("_.-")
_MAX = 128


def check(name: str) -> None:
    """Raise UsageError for what cannot be a name."""
    if not name or len(name) > _MAX or name[0] not in _FIRST or not _LETTERS.issuperset(name):
        raise UsageError(
            f"{name!r} is no name for a container",
            hint=f"use letters, digits, `_`, `.` and `-`, at most {_MAX}, a letter or a digit first",
        )


def check_free(store: str, name: str) -> None:
    """Raise UsageError for what cannot be a name, ConflictError for one that a container has."""
    check(name)
    try:
        owner = os.readlink(f"{records.top(store)}/{records.NAMES}/{name}")
    except OSError:
        return
    if os.path.isdir(records.directory_of(store, owner)):
        raise _taken(name, owner)


def _taken(name: str, owner: str) -> ConflictError:
    return ConflictError(
        f"the name {name} is in use by the container {owner}",
        hint=f"`envforge rm {name}` removes that one; or choose another name",
    )


def usual(label: str, identifier: str) -> str:
    """Return the name of a container that nobody named: `shop-3f2a`, or `shop-db-3f2a`."""
    return f"{label.replace(':', '-')}-{identifier[:4]}"


def take(store: str, name: str, identifier: str) -> None:
    """Give a container a name. Raises ConflictError if another has it."""
    alone = _alone(store)
    try:
        _link(store, name, identifier)
    finally:
        os.close(alone)


def _link(store: str, name: str, identifier: str) -> None:
    path = f"{records.top(store)}/{records.NAMES}/{name}"
    try:
        os.symlink(identifier, path)
    except FileExistsError:
        owner = os.readlink(path)
        if os.path.isdir(records.directory_of(store, owner)):
            raise _taken(name, owner) from None
        os.unlink(path)
        os.symlink(identifier, path)


def rename(container: "Container", name: str) -> None:
    """Give a container another name. Raises UsageError, ConflictError."""
    check(name)
    place = f"{records.top(container.store)}/{records.NAMES}"
    alone = _alone(container.store)
    try:
        before = records.read(container.store, container.id).name
        if name == before:
            return
        _link(container.store, name, container.id)
        container.config["name"] = name
        records.write_config(container.directory, container.config)
        if os.path.lexists(f"{place}/{before}") and os.readlink(f"{place}/{before}") == container.id:
            os.unlink(f"{place}/{before}")
    finally:
        os.close(alone)


def release(store: str, name: str, identifier: str) -> None:
    """Take a name from a container, if it has it."""
    path = f"{records.top(store)}/{records.NAMES}/{name}"
    alone = _alone(store)
    try:
        if os.readlink(path) == identifier:
            os.unlink(path)
    except FileNotFoundError:
        return
    finally:
        os.close(alone)


def _alone(store: str) -> int:
    """Return a descriptor that holds the lock of all names."""
    path = f"{records.top(store)}/{records.NAMES}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        os.makedirs(path, 0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    flock(descriptor, LOCK_EX)
    return descriptor
