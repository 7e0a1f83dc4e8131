"""Computes apt's answer without running it, where dependencies leave nothing to choose. Pure.

apt reads whole indexes before it answers, which takes most of the time of adding a package. Its answer is
forced where each dependency is met by a package asked for or installed, or has one first choice (the package
of that name, or its only provider), where nothing in the result conflicts, and where every package in it is
needed whatever alternatives the others take. In any doubt apt is asked;
`tests/network/test_forced_answers.py` compares the two.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import define, field

from envforge.errors import ArchiveError
from envforge.sources.debian.dpkg import relations, versions
from envforge.sources.debian.dpkg.relations import Alternative
from envforge.sources.debian.indexes.index import SuiteIndex
from envforge.sources.debian.indexes.packages import Package
from envforge.sources.debian.resolve.resolver import Answer, Chosen, Wish
from envforge.spec.grammar import split_request

_AGAINST: Final = ("Conflicts", "Breaks")
_RANKED: Final = ("NotAutomatic", "ButAutomaticUpgrades")
"""Release fields that lower a suite's priority, so that apt may not take the newest version."""


class _UnsureError(Exception):
    """apt might have a choice: it must be asked."""


@define
class _Set:
    """The set of packages that becomes the answer."""

    suites: Sequence[SuiteIndex]
    architecture: str
    kept: Mapping[str, Package]
    """Installed packages."""
    members: dict[str, Package] = field(factory=dict)
    chosen: dict[str, Chosen] = field(factory=dict)
    """Members that are not installed."""
    given: dict[str, dict[str, str | None]] = field(factory=dict)
    """Name -> members that have or provide it -> version, None if a provider gives none."""

    def put(self, package: Package) -> None:
        """Add a package to the set."""
        if package.architecture not in {self.architecture, "all"}:
            raise _UnsureError
        self.members[package.name] = package
        self.given.setdefault(package.name, {})[package.name] = package.version
        for group in relations.parse(package.relations.get("Provides", "")):
            version = group[0].version or None
            self.given.setdefault(group[0].name, {}).setdefault(package.name, version)

    def choose(self, name: str) -> Package:
        """Return a package of the set; if none of that name is installed, add its newest version first."""
        if name in self.kept:
            return self.kept[name]
        found = [
            Chosen(suite, package)
            for suite in self.suites
            for package in suite.find(name)
            if package.architecture in {self.architecture, "all"}
        ]
        if not found:
            raise _UnsureError
        best = max(found, key=lambda one: versions.key(one.package.version))  # the first of equals
        same = [one for one in found if versions.satisfies(one.package.version, "=", best.package.version)]
        if any(one.package.sha256 != best.package.sha256 for one in same):
            raise _UnsureError
        self.chosen[name] = best
        self.put(best.package)
        return best.package

    def able(self, one: Alternative) -> Iterator[str]:
        """Yield the members that satisfy an alternative."""
        for name, version in self.given.get(one.name, {}).items():
            if _meets(self.members[name], version, one, self.architecture):
                yield name

    def providers(self, name: str) -> set[str]:
        """Return the names of other packages that provide a name."""
        found = {
            package.name
            for suite in self.suites
            for file in suite.files
            for package in file.index.providers(name)
        }
        return found - {name}


def answer(
    suites: Sequence[SuiteIndex], architecture: str, wish: Wish, known: Mapping[str, Package]
) -> Answer | None:
    """Return what apt would answer to a wish, None if it must be asked.

    `known` are the stanzas of installed packages, by name.
    """
    ranked = any(name in suite.release.fields for suite in suites for name in _RANKED)
    if ranked or wish.preferred or wish.recommends:
        return None
    kept = {item.name: known[item.name] for item in wish.installed}
    found = _Set(suites, architecture, kept)
    try:
        asked = _asked(found, wish)
        _close(found, asked)
        _check(found, asked)
    except (_UnsureError, ArchiveError):
        return None
    return Answer(tuple(found.chosen[name] for name in sorted(found.chosen)), frozenset())


def _asked(found: _Set, wish: Wish) -> frozenset[str]:
    """Put installed packages and those asked for into the set; return the names of the latter."""
    for package in found.kept.values():
        found.put(package)
    for word in wish.packages:
        name, version = split_request(word)
        if version != (found.kept[name].version if name in found.kept else ""):
            raise _UnsureError  # an installed package may change its version, or a version is asked for
        found.choose(name)
    return frozenset(split_request(word)[0] for word in wish.packages)


def _close(found: _Set, asked: frozenset[str]) -> None:
    """Add the members' dependencies: the first choice of each that no asked or installed package meets."""
    settled = asked | found.kept.keys()
    waiting = list(found.members.values())
    while waiting:
        for group in relations.groups(waiting.pop().relations):
            if any(name in settled for one in group for name in found.able(one)):
                continue
            name = _first_choice(found, group[0])
            if name not in found.members:
                waiting.append(found.choose(name))


def _first_choice(found: _Set, one: Alternative) -> str:
    """Return the package that apt takes for an alternative, where it can take no other."""
    if any(True for suite in found.suites for _ in suite.find(one.name)):
        return one.name
    others = found.providers(one.name)
    if len(others) != 1:
        raise _UnsureError
    return others.pop()


def _check(found: _Set, asked: frozenset[str]) -> None:
    """Raise _UnsureError unless the set is closed, free of conflicts, and each member needed in any case."""
    needs: dict[str, list[set[str]]] = {}
    for package in found.members.values():
        groups = relations.groups(package.relations)
        needs[package.name] = [{name for one in group for name in found.able(one)} for group in groups]
        against = (one for group in relations.groups(package.relations, _AGAINST) for one in group)
        if any(name != package.name for one in against for name in found.able(one)):
            raise _UnsureError
    if any(not able for groups in needs.values() for able in groups):
        raise _UnsureError
    reached: set[str] = set()
    waiting = list(asked)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            for able in needs[name]:
                waiting += able if len(able) == 1 else able & found.kept.keys()
    if reached != found.members.keys():
        raise _UnsureError


def _meets(package: Package, version: str | None, one: Alternative, architecture: str) -> bool:
    """Return whether a package that has or provides the name in that version satisfies an alternative."""
    if one.qualifier == "any":
        if package.name != one.name or package.multi_arch != "allowed":
            raise _UnsureError
    elif one.qualifier not in {"", architecture}:
        raise _UnsureError
    if not one.operator:
        return True
    return version is not None and versions.satisfies(version, one.operator, one.version)
