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
    """Return who could have written the spec at `found` and what belongs to it.

    Raises OwnerError where somebody else than the caller and root could have, whom nobody trusts.
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
    """Say whether a group is the caller's private one, as Debian makes it: its only member."""
    try:
        own = pwd.getpwuid(os.geteuid())
        entry = grp.getgrgid(group)
    except KeyError:
        return False
    return own.pw_gid == group and entry.gr_name == own.pw_name and set(entry.gr_mem) <= {own.pw_name, "root"}


def trusted_directories() -> frozenset[str]:
    """Return the real paths of the directories whose specs are believed, whoever owns them."""
    return frozenset(state.read(_FILE).get("directories", ()))


def trust_directory(path: str) -> str:
    """Believe what lies in that very directory, not what lies below it; return its real path."""
    real = os.path.realpath(path)
    if not os.path.isdir(real):
        raise OwnerError(f"{path} is no directory", hint="name the directory that the spec lies in")
    state.write(_FILE, {"directories": sorted({*trusted_directories(), real})})
    return real


def distrust_directory(path: str) -> bool:
    """Believe it no more; say whether it was believed before."""
    real = os.path.realpath(path)
    known = trusted_directories()
    if real in known:
        state.write(_FILE, {"directories": sorted(known - {real})})
        cache.forget_plans()
    return real in known
