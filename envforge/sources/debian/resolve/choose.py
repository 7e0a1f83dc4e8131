"""Chooses the closure of a request: pinned packages stay unless they cannot, apt decides about the others.

apt is told that the pinned packages are installed already. So it changes no more of them than the request
needs, even where an archive has dropped the pinned version: its control file says enough of it. apt is not
run where its answer is forced (`forced.py`).
"""

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import evolve, field, frozen

from envforge.errors import ResolveError
from envforge.sources.debian.dpkg import relations
from envforge.sources.debian.indexes.index import SuiteIndex
from envforge.sources.debian.indexes.packages import Package
from envforge.sources.debian.model import LockedArchive, LockedPackage, Request, package_id
from envforge.sources.debian.resolve import forced, resolver
from envforge.sources.debian.resolve.resolver import Answer, Installed, Wish
from envforge.sources.debian.resolve.workspace import Workspace
from envforge.spec.grammar import split_request


@frozen
class Pins:
    """The pins of one architecture, and the packages that may change."""

    packages: tuple[LockedPackage, ...] = ()
    archives: tuple[LockedArchive, ...] = ()
    free: frozenset[str] = frozenset()
    """Names of packages that may change."""
    same_frame: bool = True
    """The request they were chosen for differs in `packages` at most: suites and settings are the same."""
    details: Mapping[str, Package] = field(factory=dict)
    """Stanza of each of them, from an index or from its .deb, by name."""

    def version(self, name: str, pattern: str = "") -> str:
        """Return the version that a name is pinned to; "" if it has none, may change, or fails `pattern`."""
        if name in self.free:
            return ""
        found = next((package.version for package in self.packages if package.name == name), "")
        return found if not pattern or fnmatch.fnmatchcase(found, pattern) else ""

    def provider(self, name: str) -> str:
        """Return the name of a pinned package that provides a name, "" if there is none."""
        return next((package.name for package in self.details.values() if _provides(package, name)), "")


@frozen
class Choices:
    """The indexes that packages are chosen from, and apt's workspace over them."""

    architecture: str
    suites: Sequence[SuiteIndex] = field(repr=False)
    workspace: Callable[[], Workspace] = field(repr=False)
    """Makes apt's workspace. Called only when apt must be asked: most answers are forced."""


def choose(choices: Choices, request: Request, pins: Pins) -> tuple[LockedPackage, ...]:
    """Return the closure of a request, sorted. Raises ResolveError."""
    asked = dict(map(split_request, request.packages))
    resolver.check_known(choices.suites, [name for name in asked if not pins.version(name)])
    base = dict.fromkeys(resolver.base_names(choices.suites), "")
    wanted = {**base, **_without_virtual(choices.suites, asked, pins)}
    failure = ResolveError("nothing was asked for")
    for wish in _wishes(wanted, request, pins):
        try:
            answer = forced.answer(choices.suites, choices.architecture, wish, pins.details)
            if answer is None:
                answer = resolver.resolve(choices.workspace(), wish)
        except ResolveError as error:
            failure = error
        else:
            installed = {item.name for item in wish.installed}
            kept = [package for package in pins.packages if package.name in installed]
            packages = _joined(choices.suites, answer, kept)
            details = {**pins.details, **{one.package.name: one.package for one in answer.chosen}}
            return _marked(packages, details, asked, choices.architecture)
    raise failure


def _without_virtual(suites: Sequence[SuiteIndex], asked: Mapping[str, str], pins: Pins) -> dict[str, str]:
    """Return the asked names and versions, with each purely virtual name replaced by a provider's.

    Of several providers, one that is asked for or pinned is taken. Raises ResolveError if none is.
    """
    named: dict[str, str] = {}
    for name, pattern in asked.items():
        providers = resolver.providers(suites, name)
        if not providers:
            named[name] = pattern
            continue
        meant = sorted(providers & asked.keys()) or [pins.provider(name)]
        if len(providers) > 1 and not meant[0]:
            raise ResolveError(
                f"{name} is not a package, but what several provide: {', '.join(sorted(providers))}",
                hint="name the one that you want in `packages`",
            )
        named.setdefault(meant[0] or min(providers), "")
    return named


def _wishes(wanted: Mapping[str, str], request: Request, pins: Pins) -> Iterator[Wish]:
    """Yield the wishes to try in turn: the first keeps every pin, each later one fewer, the last none."""
    fresh = Wish(tuple(_word(*item) for item in wanted.items()), request.recommends)
    if pins.packages and pins.same_frame:
        installed = tuple(_installed(pins.details[package.name], wanted) for package in pins.packages)
        for firmly in (True, False):
            yield Wish(tuple(_words(wanted, pins, firmly=firmly)), request.recommends, installed)
    elif pins.packages:
        pinned = tuple((item.name, item.version) for item in pins.packages if item.name not in pins.free)
        yield evolve(fresh, preferred=pinned)
    yield fresh


def _words(wanted: Mapping[str, str], pins: Pins, *, firmly: bool) -> Iterator[str]:
    """Yield apt's arguments over pinned packages; `firmly` asks for a pinned name in its pinned version."""
    for name, pattern in wanted.items():
        pinned = pins.version(name, pattern)
        if pinned and firmly:
            yield _word(name, pinned)
        else:
            yield _word(name, pattern)
    yield from sorted(pins.free - wanted.keys())


def _word(name: str, pattern: str) -> str:
    return f"{name}={pattern}" if pattern else name


def _installed(package: Package, wanted: Mapping[str, str]) -> Installed:
    return Installed(
        name=package.name,
        version=package.version,
        architecture=package.architecture,
        essential=package.essential,
        priority=package.priority,
        multi_arch=package.multi_arch,
        relations=tuple(sorted(package.relations.items())),
        auto=package.name not in wanted,
    )


def _joined(
    suites: Sequence[SuiteIndex], answer: Answer, kept: Sequence[LockedPackage]
) -> dict[str, LockedPackage]:
    """Return the packages by name: the kept ones without those that apt removes, and those that it chose."""
    packages = {item.name: _found_again(suites, item) for item in kept if item.name not in answer.removed}
    for chosen in answer.chosen:
        packages[chosen.package.name] = _locked(chosen.package, chosen.suite.source.name)
    return packages


def _found_again(suites: Sequence[SuiteIndex], package: LockedPackage) -> LockedPackage:
    """Return a pinned package, moved to another suite where only that one still has it."""
    places = [
        (suite.source.name, found.path)
        for suite in suites
        for found in suite.find(package.name)
        if found.sha256 == package.sha256
    ]
    if not places or any(name == package.archive for name, _ in places):
        return package
    return evolve(package, archive=places[0][0], path=places[0][1])


def _marked(
    packages: Mapping[str, LockedPackage],
    details: Mapping[str, Package],
    asked: Mapping[str, str],
    architecture: str,
) -> tuple[LockedPackage, ...]:
    """Return the packages, sorted, with the marks and needs that follow from the whole set."""
    virtual = [name for name in asked if name not in packages]
    ids = {name: package_id(package, architecture) for name, package in packages.items()}
    fields = {name: details[name].relations for name in packages}
    base = _base({name: details[name] for name in packages})
    given = relations.providers(fields.items())
    return tuple(
        evolve(
            package,
            asked=name in asked or any(_provides(details[name], other) for other in virtual),
            base=name in base,
            required=details[name].priority == "required",
            needs=tuple(sorted(ids[other] for other in _needs(name, fields, given))),
        )
        for name, package in sorted(packages.items())
    )


def _base(packages: Mapping[str, Package]) -> frozenset[str]:
    """Return the base of a set: independent of what else is in the set, so that sets share its layer."""
    essential = [name for name, package in packages.items() if package.essential]
    required_first = sorted(packages.items(), key=lambda item: (item[1].priority != "required", item[0]))
    return relations.least_closure(essential, {name: package.relations for name, package in required_first})


def _needs(
    name: str, fields: Mapping[str, Mapping[str, str]], given: Mapping[str, Sequence[str]]
) -> frozenset[str]:
    """Return a package's direct dependencies; of alternatives and providers, the first in the set."""
    return frozenset(able[0] for able in relations.satisfying(fields[name], given)) - {name}


def _locked(package: Package, archive: str) -> LockedPackage:
    return LockedPackage(
        name=package.name,
        version=package.version,
        architecture=package.architecture,
        archive=archive,
        path=package.path,
        size=package.size,
        sha256=package.sha256,
    )


def _provides(package: Package, name: str) -> bool:
    text = package.relations.get("Provides", "")
    return name in text and any(group[0].name == name for group in relations.parse(text))
