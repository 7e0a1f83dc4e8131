"""Which packages of a set must be configured, and which triggers they fire. Pure. deb-triggers(5)."""

from collections.abc import Iterable, Mapping
from typing import Final

from envforge.sources.debian.facts import Facts

_LDCONFIG: Final = frozenset({"ldconfig"})
"""The database layer runs ldconfig for the whole set, so this trigger makes nobody active."""


def active(packages: Mapping[str, Facts]) -> frozenset[str]:
    """Return the names of the active packages of the set.

    Active is what has maintainer scripts or trigger interests, or activates another's trigger: by name, or
    with a path under a file trigger.
    """
    interested = frozenset(interests(packages.values()))
    named = frozenset(trigger for trigger in interested if not trigger.startswith("/")) - _LDCONFIG
    return frozenset(
        name
        for name, facts in packages.items()
        if facts.has_scripts
        or facts.interests
        or not named.isdisjoint(facts.activates)
        or next(fired_by_path(facts, interested), None)
    )


def interests(packages: Iterable[Facts]) -> Iterable[str]:
    """Yield every trigger that one of the packages is interested in."""
    for facts in packages:
        for trigger in facts.interests:
            yield trigger.name


def fired_by_path(facts: Facts, triggers: Iterable[str]) -> Iterable[str]:
    """Yield the file triggers that a path of the package lies under."""
    for trigger in triggers:
        if trigger.startswith("/") and facts.has_path_under(trigger):
            yield trigger


def fired(added: Iterable[Facts], present: Iterable[Facts]) -> tuple[str, ...]:
    """Return the triggers of `present` packages that unpacking `added` ones fires, sorted."""
    interested = frozenset(interests(present))
    found: set[str] = set()
    for facts in added:
        found.update(interested & frozenset(facts.activates))
        found.update(fired_by_path(facts, interested))
    return tuple(sorted(found))
