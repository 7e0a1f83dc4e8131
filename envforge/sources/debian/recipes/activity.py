"""Which packages of a set must be configured, and which triggers they fire. Pure. deb-triggers(5)."""

from collections.abc import Iterable, Mapping
from typing import Final

from envforge.sources.debian.dpkg.facts import Facts

_IGNORED: Final = frozenset({"ldconfig", "/usr/share/man"})
"""Triggers that make no package active: ldconfig runs once for all, an index of manuals is not built."""
_SCRIPTS: Final = frozenset({"preinst", "postinst", "config"})
"""Scripts that run when a package is installed; the others run when it is removed."""


def active(packages: Mapping[str, Facts]) -> frozenset[str]:
    """Return the names of the active packages of the set.

    A package is active if it has scripts that run at installation, or trigger interests, or if it activates a
    trigger of another package, by name or with a path under a file trigger.
    """
    interested = frozenset(interests(packages.values())) - _IGNORED
    named = frozenset(trigger for trigger in interested if not trigger.startswith("/"))
    return frozenset(
        name
        for name, facts in packages.items()
        if not _SCRIPTS.isdisjoint(facts.members)
        or facts.interests
        or not named.isdisjoint(_activated(facts))
        or any(fired_by_path(facts, interested))
    )


def interests(packages: Iterable[Facts]) -> Iterable[str]:
    """Yield every trigger that one of the packages is interested in."""
    for facts in packages:
        for trigger in facts.interests:
            yield trigger.trigger


def _activated(facts: Facts) -> frozenset[str]:
    return frozenset(trigger.trigger for trigger in facts.activates)


def fired_by_path(facts: Facts, triggers: Iterable[str]) -> Iterable[str]:
    """Yield the file triggers that a path of the package lies under."""
    for trigger in triggers:
        if trigger.startswith("/"):
            below = trigger.rstrip("/") + "/"
            if any(path == trigger or path.startswith(below) for path in facts.files):
                yield trigger


def fired(added: Iterable[Facts], present: Iterable[Facts]) -> tuple[str, ...]:
    """Return the triggers of `present` packages that unpacking `added` ones fires, sorted."""
    interested = frozenset(interests(present)) - _IGNORED
    found: set[str] = set()
    for facts in added:
        found.update(interested & _activated(facts))
        found.update(fired_by_path(facts, interested))
    return tuple(sorted(found))
