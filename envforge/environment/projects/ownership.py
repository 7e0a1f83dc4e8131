"""Whose specs are trusted: the user's own, root's, and those in directories that the user has named.

$XDG_STATE_HOME/envforge/trusted.json   {"directories": [real path, …]}
"""

import grp
import os
import pwd
from typing import Final

from envforge import trust
from envforge.environment.projects import state
from envforge.errors import OwnerError
from envforge.sandbox import cache

_FILE: Final = "trusted.json"


def check(found: str) -> "trust.Owners":
    """Return the owners and modes of the spec at `found`, its lock and their directories.

    Raises OwnerError where anyone but the caller and root can write one of them, outside trusted directories.
    """
    seen = trust.owners(found)
    strange = trust.strange(seen, os.geteuid(), _is_own_group, trusted_directories())
    if strange is None:
        return seen
    path, why = strange
    directory = path if os.path.isdir(path) else os.path.dirname(path)
    raise OwnerError(
        f"{path} {why}, so what it says may not be what you want: it is not believed",
        hint=f"`envforge allow --trust {directory}` if you trust whoever can write there",
    )


def _is_own_group(group: int) -> bool:
    """Return whether a group is the caller's user private group, with no other member but root."""
    try:
        own = pwd.getpwuid(os.geteuid())
        entry = grp.getgrgid(group)
    except KeyError:
        return False
    return own.pw_gid == group and entry.gr_name == own.pw_name and set(entry.gr_mem) <= {own.pw_name, "root"}


def trusted_directories() -> frozenset[str]:
    """Return the real paths of the directories whose specs are trusted, whoever owns them."""
    return frozenset(state.read(_FILE).get("directories", ()))


def trust_directory(path: str) -> str:
    """Trust the specs in exactly this directory, not in those below it; return its real path."""
    real = os.path.realpath(path)
    if not os.path.isdir(real):
        raise OwnerError(f"{path} is no directory", hint="name the directory that the spec lies in")
    state.write(_FILE, {"directories": sorted({*trusted_directories(), real})})
    return real


def distrust_directory(path: str) -> bool:
    """Stop trusting the specs in a directory; return whether they were trusted."""
    real = os.path.realpath(path)
    known = trusted_directories()
    if real in known:
        state.write(_FILE, {"directories": sorted(known - {real})})
        cache.forget_plans()
    return real in known
