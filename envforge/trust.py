"""Which spec is meant, and who could have written what it brings. Shared with the warm path: loads only `os`.

A spec decides what runs and what is mounted, so one that somebody else can change is not believed: it would
be their command line (git's CVE-2022-24765). What counts are the spec, its lock and the directories that they
lie in, whether the spec was searched for or named.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Owners = tuple[tuple[str, int, int, int], ...]

SPEC_NAME = "envforge.toml"

_LINK = 0o120000
_DIRECTORY = 0o040000
_TYPE = 0o170000
_STICKY = 0o1000


def find(start: str) -> "str | None":
    """Return the path of the nearest spec, in the directory `start` or above it; None where there is none.

    The search ends at the border of the file system and below the home directory: the home's own spec mounts
    all of it, so it counts only for those who stand there.
    """
    here = start
    try:
        device = os.stat(here).st_dev
        home = os.path.expanduser("~")
        while not os.path.lexists(candidate := f"{here.rstrip('/')}/{SPEC_NAME}"):
            above = os.path.dirname(here)
            if above == here or _is_same(here, home) or _is_same(above, home):
                return None
            if os.stat(above).st_dev != device:
                return None
            here = above
    except OSError:
        return None
    return candidate


def leads_away(found: str) -> bool:
    """Say whether a spec is a link to another directory: code inside may have laid it."""
    real = os.path.realpath(found)
    return os.path.dirname(real) != os.path.realpath(os.path.dirname(found))


def _is_same(one: str, other: str) -> bool:
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False


def lock_of(spec_path: str) -> str:
    """Return where the lock of a spec lies: beside it; `NAME.lock` for a spec of another name."""
    return f"{spec_path.removesuffix('.toml')}.lock"


def owners(found: str) -> "Owners":
    """Return path, owner, group and mode of all that a spec is believed by; what is missing is left out.

    `found` is its path before links are followed: who owns a link decides where it leads.
    """
    real = os.path.realpath(found)
    lock = lock_of(real)
    paths = [os.path.dirname(found), found, os.path.dirname(real), real, lock]
    seen = []
    for path in dict.fromkeys(paths):
        try:
            status = os.lstat(path)
            if status.st_mode & _TYPE == _LINK and path == lock:
                seen.append((path, status.st_uid, status.st_gid, status.st_mode))
                status = os.stat(path)
        except OSError:
            continue
        seen.append((path, status.st_uid, status.st_gid, status.st_mode))
    return tuple(seen)


def strange(
    seen: "Owners", user: int, is_own_group: "Callable[[int], bool]", trusted: "frozenset[str]" = frozenset()
) -> "tuple[str, str] | None":
    """Return the first path that somebody else than `user` and root can change, and why; None where none is.

    `is_own_group` says whether a group has no other member. What lies in a `trusted` directory passes.
    """
    for path, owner, group, mode in seen:
        if (path if mode & _TYPE == _DIRECTORY else os.path.dirname(path)) in trusted:
            continue
        if owner not in (user, 0):
            return path, f"belongs to uid {owner}"
        if mode & _TYPE == _LINK or (mode & _TYPE == _DIRECTORY and mode & _STICKY):
            continue  # a link has no mode of its own; in a sticky directory others cannot replace a file
        if mode & 0o002:
            return path, "can be written by everybody"
        if mode & 0o020 and not is_own_group(group):
            return path, f"can be written by the group {group}"
    return None
