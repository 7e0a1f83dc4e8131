"""Finds the spec, and tells who can write it. Shared with the warm path: imports only `os`.

A spec decides what runs and what is mounted, so one that another user can write is refused: it would be their
command line (git's CVE-2022-24765). The spec, its lock and the directories that they lie in are looked at,
whether the spec was searched for or named.
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

    The search stops at a file system boundary and below the home directory: a spec in the home mounts all of
    it, so it counts only where the search starts there.
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
    """Return whether a spec is a link into another directory: code in a sandbox may have planted it."""
    real = os.path.realpath(found)
    return os.path.dirname(real) != os.path.realpath(os.path.dirname(found))


def _is_same(one: str, other: str) -> bool:
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False


def lock_of(spec_path: str) -> str:
    """Return the path of a spec's lock: beside it, with `.lock` in place of `.toml`."""
    return f"{spec_path.removesuffix('.toml')}.lock"


def owners(found: str) -> "Owners":
    """Return path, uid, gid and mode of the spec, its lock and their directories; missing ones are left out.

    `found` is the spec's path before links are followed: whoever owns a link decides where it leads.
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
    """Return the first path that anyone but `user` and root can change, and why; None where there is none.

    `is_own_group` says whether a group has no other member. Paths in a `trusted` directory pass.
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
