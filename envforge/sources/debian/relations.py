"""Relations between packages: `a (>= 1) | b:any, c`. Pure. Debian Policy, chapter 7."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen

from envforge.errors import ArchiveError

_ALTERNATIVE: Final = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9+.-]*)(?::(?P<qualifier>[a-z0-9-]+))?"
    r"\s*(?:\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[^)\s]+)\s*\))?\s*(?:\[[^]]*\])?\s*"
)


@frozen
class Alternative:
    """One package that would satisfy a relation."""

    name: str
    qualifier: str = ""
    """Architecture behind the colon: `any`, `native`, `amd64`, or empty."""
    operator: str = ""
    version: str = ""


Group = tuple[Alternative, ...]
"""Alternatives of which one is enough."""


def parse(text: str) -> tuple[Group, ...]:
    """Return the groups of a relation field, all of which must hold. Raises ArchiveError."""
    return tuple(
        tuple(_alternative(part, text) for part in group.split("|"))
        for group in text.split(",")
        if group.strip()
    )


def _alternative(part: str, text: str) -> Alternative:
    match = _ALTERNATIVE.fullmatch(part)
    if match is None:
        raise ArchiveError(f"a relation between packages cannot be read: {part.strip()!r} in {text!r}")
    return Alternative(
        match["name"], match["qualifier"] or "", match["operator"] or "", match["version"] or ""
    )


def providers(packages: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, list[str]]:
    """Return which packages give each name: their own, or one that they provide.

    `packages` are names with their relation fields.
    """
    given: dict[str, list[str]] = {}
    for name, relations in packages:
        given.setdefault(name, []).insert(0, name)
        for group in parse(relations.get("Provides", "")):
            given.setdefault(group[0].name, []).append(name)
    return given


def closure(
    start: Iterable[str],
    relations: Mapping[str, Mapping[str, str]],
    *,
    fields: Sequence[str] = ("Pre-Depends", "Depends"),
) -> frozenset[str]:
    """Return `start` and all that it needs, within a set of packages that is complete in itself.

    `relations` are each package's fields by name. Every alternative that the set holds counts, so the answer
    does not depend on which one a resolver had in mind.
    """
    given = providers(relations.items())
    found: set[str] = set()
    waiting = [name for name in start if name in relations]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for field in fields:
            for group in parse(relations[name].get(field, "")):
                for alternative in group:
                    waiting += given.get(alternative.name, ())
    return frozenset(found)
