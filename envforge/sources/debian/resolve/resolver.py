"""Asks apt itself for a solution: packages to install, packages to remove, or the reason why it has none.

apt installs and fetches nothing: it prints the paths that it would fetch (`--print-uris`), which are looked
up in the verified indexes.
"""

import difflib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import unquote

from attrs import field, frozen

from envforge.errors import ResolveError
from envforge.sources.debian.indexes.index import SuiteIndex
from envforge.sources.debian.indexes.packages import Package
from envforge.sources.debian.resolve import workspace
from envforge.sources.debian.resolve.meant import component_of, meant
from envforge.sources.debian.resolve.workspace import Workspace
from envforge.spec.grammar import split_request

_FETCH: Final = re.compile(r"^'http://a(?P<suite>\d+)/(?P<path>[^']*)' (?P<file>\S+) ")
_REMOVED: Final = re.compile(r"^The following packages will be REMOVED:\n((?:  .*\n)+)", re.MULTILINE)
_MERGED: Final = "usr-is-merged"
"""Package that declares /usr merged, as it always is here. Without it apt would choose `usrmerge`."""
_UNMET: Final = "The following packages have unmet dependencies:\n"
_NO_VERSION: Final = re.compile(r"^E: Version '(.+?)' for '(.+?)' was not found", re.MULTILINE)
_NAMES_MAX: Final = 3
_VERSIONS_MAX: Final = 6


@frozen
class Installed:
    """A package that apt is told is installed, because the lock pins it."""

    name: str
    version: str
    architecture: str
    essential: bool
    priority: str
    multi_arch: str
    relations: tuple[tuple[str, str], ...]
    auto: bool
    """Automatically installed: apt removes it with the last package that depends on it."""


@frozen
class Wish:
    """One question to apt."""

    packages: tuple[str, ...]
    """Names, or `name=version`, where `*` in a version matches anything."""
    recommends: bool = False
    installed: tuple[Installed, ...] = ()
    """Packages that keep their version unless something in `packages` needs another one."""
    preferred: tuple[tuple[str, str], ...] = ()
    """Name and version of packages to prefer, if they are chosen at all."""


@frozen
class Chosen:
    """One package that apt would fetch, as the verified index describes it."""

    suite: SuiteIndex = field(repr=False)
    package: Package


@frozen
class Answer:
    """What apt would do."""

    chosen: tuple[Chosen, ...]
    removed: frozenset[str]
    """Names of installed packages that apt would remove."""


def resolve(space: Workspace, wish: Wish) -> Answer:
    """Return what apt would do for a wish. Raises ResolveError with apt's reason if it has no solution."""
    files = {
        "status": "".join(map(_status_paragraph, wish.installed)),
        "extended_states": "".join(_auto_paragraph(item, space.architecture) for item in wish.installed),
        "preferences": "".join(
            _preference(*pin) for pin in (*_companions(space.suites, wish.packages), *wish.preferred)
        ),
        "apt.conf": _recommends_settings(wish.recommends),
    }
    code, said = workspace.run(space, files, ["apt-get", "-q", "--print-uris", "install", *wish.packages])
    if code != 0:
        raise _failure(said, space.suites)
    lines = said.splitlines()
    listed = [name.partition(":")[0] for line in lines if line.startswith("  ") for name in line.split()]
    chosen = tuple(_chosen(space.suites, line, listed) for line in lines if line.startswith("'"))
    removed = _REMOVED.search(said)
    names = removed[1].split() if removed else []
    return Answer(chosen, frozenset(name.rstrip("*").partition(":")[0] for name in names))


def base_names(suites: Iterable[SuiteIndex]) -> tuple[str, ...]:
    """Return the packages of a minimal Debian: all that is essential or of priority `required` in its suites.

    So do debootstrap's and mmdebstrap's `minbase`, and Debian's own container image.
    """
    base = {
        package.name: package
        for suite in suites
        if not suite.source.uri
        for file in suite.files
        for package in file.index.base()
    }
    names = set(base)
    if any(_MERGED in package.relations.get("Depends", "") for package in base.values()):
        names.add(_MERGED)
    return tuple(sorted(names))


def check_known(suites: Sequence[SuiteIndex], names: Collection[str]) -> None:
    """Raise ResolveError, with the nearest names there are, for packages that no index has."""
    unknown = [name for name in sorted(names) if not any(_has(suite, name) for suite in suites)]
    if unknown:
        there = {name for suite in suites for file in suite.files for name in file.index.names()}
        searched = ", ".join(suite.source.name for suite in suites)
        raise ResolveError(
            "\n".join(f"no package is called {name}{_advice(name, there, suites)}" for name in unknown),
            hint=f"looked in {searched}; see `components` and `pockets` in the spec",
        )


def providers(suites: Iterable[SuiteIndex], name: str) -> frozenset[str]:
    """Return the names of the packages that provide `name`, if no package itself is called so."""
    found: set[str] = set()
    for suite in suites:
        for file in suite.files:
            if file.index.find(name):
                return frozenset()
            found.update(package.name for package in file.index.providers(name))
    return frozenset(found)


def _has(suite: SuiteIndex, name: str) -> bool:
    return any(file.index.find(name) or file.index.providers(name) for file in suite.files)


def _advice(name: str, there: Collection[str], suites: Iterable[SuiteIndex]) -> str:
    if found := meant(name, there):
        return f"; do you mean {found}?"
    components = {file.component for suite in suites for file in suite.files}
    if part := component_of(name, components):
        return f'; it is in {part}: write components = ["main", "{part}"]'
    return _nearest(name, there)


def _nearest(name: str, there: Iterable[str]) -> str:
    """Return the names most like `name`. Only those that begin like it are compared: there are 60,000."""
    alike = [other for other in there if other[:1] == name[:1] and abs(len(other) - len(name)) <= len(name)]
    near = difflib.get_close_matches(name, alike, _NAMES_MAX, 0.7)
    return f"; do you mean {' or '.join(near)}?" if near else ""


def _chosen(suites: Sequence[SuiteIndex], line: str, listed: Sequence[str]) -> Chosen:
    """Return the package of one line of `--print-uris`, found by its path: files may have any name.

    `listed` are the names in apt's answer: a file that is not called like its package belongs to one of them.
    """
    match = _FETCH.match(line)
    if match is None:
        raise ResolveError(f"apt said what cannot be read: {line[:200]}")
    suite = suites[int(match["suite"])]
    path = os.path.normpath(unquote(match["path"]))
    for name in (match["file"].partition("_")[0], *listed):
        for package in suite.find(name):
            if package.path == path:
                return Chosen(suite, package)
    raise ResolveError(f"apt chose {path}, which {suite.source.name} does not have")


def _status_paragraph(package: Installed) -> str:
    """Return the package's paragraph of dpkg's status file (dpkg(1), deb822(5))."""
    fields = {
        "Package": package.name,
        "Status": "install ok installed",
        "Priority": package.priority,
        "Essential": "yes" if package.essential else "no",
        "Architecture": package.architecture,
        "Multi-Arch": package.multi_arch,
        "Version": package.version,
        **dict(package.relations),
        "Description": package.name,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n"


def _auto_paragraph(package: Installed, architecture: str) -> str:
    return (
        f"Package: {package.name}\nArchitecture: {architecture}\nAuto-Installed: {int(package.auto)}\n\n"
        if package.auto
        else ""
    )


def _preference(name: str, version: str) -> str:
    """Return a pin that is above every archive's own priority (apt_preferences(5))."""
    return f"Package: {name}\nPin: version {version}\nPin-Priority: 995\n\n"


def _companions(suites: Iterable[SuiteIndex], packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield pins for all packages built from the same source as one whose version is asked for.

    apt considers one candidate version of each package only: for an older nodejs, just the newest libnode.
    """
    pinned = [(name, version) for name, version in map(split_request, packages) if version]
    for name, version in pinned:
        sources = {package.source for suite in suites for package in suite.find(name)}
        yield from ((f"src:{source}", version) for source in sorted(sources))


def _recommends_settings(recommends: bool) -> str:  # noqa: FBT001 - the one thing that it depends on
    value = "true" if recommends else "false"
    return f'APT::Install-Recommends "{value}";\nAPT::AutoRemove::RecommendsImportant "{value}";\n'


def _failure(said: str, suites: Iterable[SuiteIndex]) -> ResolveError:
    if missing := _NO_VERSION.findall(said):
        return ResolveError(
            "\n".join(_versions_there(name, version, suites) for version, name in missing),
            hint="write one of these behind the =, where a * stands for anything, or no version",
        )
    what = "cannot be installed together" if _UNMET in said else "cannot be chosen"
    reasons = list(explain(said)) or said.splitlines()[-5:]
    return ResolveError(
        f"the packages {what}:\n" + "\n".join(f"  {reason}" for reason in reasons),
        hint="loosen a version in `packages`, or leave one of them away",
    )


def _versions_there(name: str, version: str, suites: Iterable[SuiteIndex]) -> str:
    found = dict.fromkeys(package.version for suite in suites for package in suite.find(name))
    more = f" and {len(found) - _VERSIONS_MAX} more" if len(found) > _VERSIONS_MAX else ""
    there = ", ".join(list(found)[:_VERSIONS_MAX]) or "none"
    return f"there is no {name} {version}; versions there are: {there}{more}"


def explain(said: str) -> Iterator[str]:
    """Yield the lines of apt's answer that say why it cannot: unmet dependencies, then errors.

    Continuation lines (`Depends: b but …` under an aligned name) are given the name they belong to.
    """
    _, _, unmet = said.partition(_UNMET)
    name = ""
    for line in unmet.splitlines():
        if not line.startswith(" "):
            break
        head, colon, rest = line.partition(" : ")
        if colon and head.strip():
            name = head.strip()
            yield f"{name}: {rest.strip()}"
        else:
            yield f"{name}: {line.strip()}"
    errors = [line.removeprefix("E: ") for line in said.splitlines() if line.startswith("E: ")]
    held = "Unable to correct problems, you have held broken packages."
    yield from (error for error in errors if error != held or not unmet)
