"""What apt would answer, without asking it, where packages leave nothing to choose. Pure.

apt reads all of an archive before it answers, which takes most of adding a package. Its answer is known
beforehand where each dependency is met by something asked for or installed already, or has one first choice
(the package of that name, or its only provider), where nothing in what that gives conflicts, and where
everything in it is needed whichever way the others are looked at. Wherever that is not certain, apt is asked:
`tests/network/test_forced_answers.py` holds the two against each other.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import define, field

from envforge.errors import ArchiveError
from envforge.sources.debian.dpkg import relations, versions
from envforge.sources.debian.dpkg.relations import Alternative, Group
from envforge.sources.debian.indexes.index import SuiteIndex
from envforge.sources.debian.indexes.packages import Package
from envforge.sources.debian.resolve.resolver import Answer, Chosen, Wish, split_request

_NEEDED: Final = ("Pre-Depends", "Depends")
_AGAINST: Final = ("Conflicts", "Breaks")
_RANKED: Final = ("NotAutomatic", "ButAutomaticUpgrades")
"""Fields of a Release by which apt does not take the newest version."""


class _UnsureError(Exception):
    """There is something to choose."""


@define
class _Set:
    """What the answer is made of so far."""

    suites: Sequence[SuiteIndex]
    architecture: str
    kept: Mapping[str, Package]
    """Installed packages."""
    members: dict[str, Package] = field(factory=dict)
    chosen: dict[str, Chosen] = field(factory=dict)
    """Those of them that are not installed."""
    given: dict[str, dict[str, str | None]] = field(factory=dict)
    """Name -> who gives it, in what version: None where it does not say."""

    def put(self, package: Package) -> None:
        """Have a package in the set."""
        if package.architecture not in {self.architecture, "all"}:
            raise _UnsureError
        self.members[package.name] = package
        self.given.setdefault(package.name, {})[package.name] = package.version
        for group in relations.parse(package.relations.get("Provides", "")):
            version = group[0].version or None
            self.given.setdefault(group[0].name, {}).setdefault(package.name, version)

    def choose(self, name: str) -> Package:
        """Have the newest version of a package in the set, unless one is installed."""
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
    """Return what apt would answer to a wish, None where it must be asked.

    `known` says of installed packages what an index does.
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
    """Put what is installed and what is asked for into the set; return the names of the latter."""
    for package in found.kept.values():
        found.put(package)
    for word in wish.packages:
        name, version = split_request(word)
        if version != (found.kept[name].version if name in found.kept else ""):
            raise _UnsureError  # another version than the installed one, or the newest, or one of a pattern
        found.choose(name)
    return frozenset(split_request(word)[0] for word in wish.packages)


def _close(found: _Set, asked: frozenset[str]) -> None:
    """Add what the members need: what each dependency names first, where nothing settles it already."""
    settled = asked | found.kept.keys()
    waiting = list(found.members.values())
    while waiting:
        for group in _groups(waiting.pop(), _NEEDED):
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
    """Raise _UnsureError unless the set is whole and without conflicts, and all of it needed in any case."""
    needs: dict[str, list[set[str]]] = {}
    for package in found.members.values():
        groups = _groups(package, _NEEDED)
        needs[package.name] = [{name for one in group for name in found.able(one)} for group in groups]
        against = (one for group in _groups(package, _AGAINST) for one in group)
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


def _groups(package: Package, fields: Sequence[str]) -> Iterator[Group]:
    for name in fields:
        yield from relations.parse(package.relations.get(name, ""))


def _meets(package: Package, version: str | None, one: Alternative, architecture: str) -> bool:
    """Say whether a package that gives the name in that version is what an alternative asks for."""
    if one.qualifier == "any":
        if package.name != one.name or package.multi_arch != "allowed":
            raise _UnsureError
    elif one.qualifier not in {"", architecture}:
        raise _UnsureError
    if not one.operator:
        return True
    return version is not None and versions.satisfies(version, one.operator, one.version)
