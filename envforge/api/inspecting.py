"""`ls`, `show` and `tree`: which environments there are, what one is, and why each package is in it."""

from collections.abc import Sequence

from envforge.environment.inspect import (
    EnvironmentDetails,
    EnvironmentInfo,
    describe,
    environments,
    users,
)
from envforge.sources.debian.dpkg.relations import parse, providers
from envforge.sources.debian.model import LockedPackage

__all__ = [
    "EnvironmentDetails",
    "EnvironmentInfo",
    "LockedPackage",
    "describe",
    "environments",
    "needs",
    "users",
]


def needs(packages: Sequence[LockedPackage]) -> dict[str, tuple[str, ...]]:
    """Return for each package which others of the lock it needs, by name, sorted.

    Of alternatives and of providers, the first that the lock holds is meant.
    """
    relations = {package.name: dict(package.relations) for package in packages}
    given = providers(relations.items())
    found = {}
    for name, fields in relations.items():
        needed = set()
        for group in (*parse(fields.get("Pre-Depends", "")), *parse(fields.get("Depends", ""))):
            candidates = [giver for item in group for giver in given.get(item.name, ())]
            needed.update(candidates[:1])
        found[name] = tuple(sorted(needed - {name}))
    return found
