"""Relations between packages: `a (>= 1) | b:any, c`. Pure. Debian Policy, chapter 7."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from attrs import frozen

from envforge.errors import ArchiveError

_ALTERNATIVE: Final = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9+.-]*)(?::(?P<qualifier>[a-z0-9-]+))?"
    r"\s*(?:\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[^)\s]+)\s*\))?\s*(?:\[[^]]*\])?\s*"
)
FIELDS: Final = ("Breaks", "Conflicts", "Depends", "Pre-Depends", "Provides", "Recommends", "Replaces")
"""The fields that resolving and recipes look at."""
NEEDED: Final = ("Pre-Depends", "Depends")
"""Those that name what a package cannot be configured without."""


@frozen
class Alternative:
    """One package that would satisfy a relation."""

    name: str
    qualifier: str = ""
    """Architecture behind the colon: `any`, `native`, `amd64`, or empty."""
    operator: str = ""
    version: str = ""


Group = tuple[Alternative, ...]
"""Alternatives, any one of which satisfies the relation."""


@lru_cache(maxsize=1 << 14)
def parse(text: str) -> tuple[Group, ...]:
    """Return the groups of a relation field, all of which must hold. Raises ArchiveError."""
    return tuple(
        tuple(_alternative(part, text) for part in group.split("|"))
        for group in text.split(",")
        if group.strip()
    )


def fields_of(paragraph: Mapping[str, str]) -> dict[str, str]:
    """Return the `FIELDS` that a package's paragraph has, each on one line."""
    return {name: " ".join(paragraph[name].split()) for name in FIELDS if name in paragraph}


def groups(relations: Mapping[str, str], fields: Iterable[str] = NEEDED) -> Iterator[Group]:
    """Yield the groups of some of a package's fields, by default of what it needs. Raises ArchiveError."""
    for name in fields:
        yield from parse(relations.get(name, ""))


def _alternative(part: str, text: str) -> Alternative:
    match = _ALTERNATIVE.fullmatch(part)
    if match is None:
        raise ArchiveError(f"a relation between packages cannot be read: {part.strip()!r} in {text!r}")
    return Alternative(
        match["name"], match["qualifier"] or "", match["operator"] or "", match["version"] or ""
    )


def providers(packages: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, list[str]]:
    """Return for each name the packages that satisfy it: the one of that name first, then its providers.

    `packages` are names with their relation fields.
    """
    given: dict[str, list[str]] = {}
    for name, relations in packages:
        given.setdefault(name, []).insert(0, name)
        for group in parse(relations.get("Provides", "")):
            given.setdefault(group[0].name, []).append(name)
    return given


def closure(start: Iterable[str], relations: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """Return `start` and its transitive dependencies, within a set of packages that has all of them.

    `relations` are each package's fields by name. Every alternative in the set is followed, so the closure
    does not depend on the one that a resolver chose.
    """
    given = providers(relations.items())
    found: set[str] = set()
    waiting = [name for name in start if name in relations]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [one for able in satisfying(relations[name], given) for one in able]
    return frozenset(found)


def least_closure(start: Iterable[str], relations: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """Return `start` and its transitive dependencies, where one alternative of each is enough.

    A choice between packages of the set is settled last: by one that is in the closure anyway, else by the
    first alternative, or its first provider in the order of `relations`. So no package gets in only because
    it could do what another one does already.
    """
    given = providers(relations.items())
    found: set[str] = set()
    choices: list[list[str]] = []
    waiting = [name for name in start if name in relations]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            choices += satisfying(relations[name], given)
            waiting += [able[0] for able in choices if len(able) == 1]
        choices = [able for able in choices if found.isdisjoint(able)]
        if not waiting and choices:
            waiting.append(choices[0][0])
    return frozenset(found)


def satisfying(relations: Mapping[str, str], given: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return for each dependency of a package those that satisfy it, by its alternatives' order.

    `given` is of `providers`. A dependency that the set cannot satisfy is left out.
    """
    able = ([name for one in group for name in given.get(one.name, ())] for group in groups(relations))
    return [list(dict.fromkeys(names)) for names in able if names]
