"""Finds each pinned package's stanza: in an index, else in its .deb, else made from the lock's fields."""

from collections.abc import Iterator, Sequence

from envforge.errors import ArchiveError
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids.identity import detect
from envforge.sources.debian.deb.unpack import control_of
from envforge.sources.debian.indexes import mirrors
from envforge.sources.debian.indexes.index import SuiteIndex
from envforge.sources.debian.indexes.packages import Package, parse_stanza
from envforge.sources.debian.indexes.release import Access
from envforge.sources.debian.model import LockedArchive, LockedPackage
from envforge.transfer.http import FileMissingError


def details(
    access: Access,
    suites: Sequence[SuiteIndex],
    packages: Sequence[LockedPackage],
    archives: Sequence[LockedArchive],
) -> dict[str, Package]:
    """Return each package's stanza, by name. Raises NetworkError."""
    found = {}
    dropped = []
    for package in packages:
        known = next((one for one in _named(suites, package.name) if one.sha256 == package.sha256), None)
        if known is None:
            dropped.append(package)
        else:
            found[package.name] = known
    places = {archive.name: archive for archive in archives}
    there = access.fetcher.all_at_once(lambda one: _fetch(access, places[one.archive], one), dropped)
    had = [package for package, is_there in zip(dropped, there, strict=True) if is_there]
    found |= {package.name: _as_locked(package) for package in dropped if package not in had}
    return found | (_read(access, had) if had else {})


def _named(suites: Sequence[SuiteIndex], name: str) -> Iterator[Package]:
    for suite in suites:
        yield from suite.find(name)


def _fetch(access: Access, archive: LockedArchive, package: LockedPackage) -> bool:
    """Fetch a .deb that no index names any more; return whether a mirror still has it."""
    urls = mirrors.urls(access.mirrors, archive, package.path)
    try:
        access.fetcher.fetch_blob(access.store, urls, sha256=package.sha256, size=package.size)
    except FileMissingError:
        return False
    return True


def _as_locked(package: LockedPackage) -> Package:
    """Return a stanza from the lock's fields alone: enough to keep a package while nothing else changes."""
    return Package(
        name=package.name,
        version=package.version,
        architecture=package.architecture,
        path=package.path,
        size=package.size,
        sha256=package.sha256,
        essential=package.base,
        priority="required" if package.required else "optional",
        multi_arch="no",
        source=package.name,
        relations={"Depends": ", ".join(package.needs)} if package.needs else {},
    )


def _read(access: Access, packages: Sequence[LockedPackage]) -> dict[str, Package]:
    view = View.of(readable=[f"{access.store.path}/blobs"])
    wanted = [(access.store.blob(package.sha256), package.sha256) for package in packages]
    texts = call_confined(detect(prefer="flat"), view, _controls, wanted)
    found = {}
    for package, text in zip(packages, texts, strict=True):
        stanza = (
            f"{text.rstrip()}\nFilename: {package.path}\nSize: {package.size}\nSHA256: {package.sha256}\n"
        )
        found[package.name] = parse_stanza(stanza)
        if (found[package.name].name, found[package.name].version) != (package.name, package.version):
            raise ArchiveError(f"the archive of {package.name} {package.version} says that it is another one")
    return found


def _controls(archives: Sequence[tuple[str, str]]) -> list[str]:
    """Return the control paragraphs of archives, given by path and SHA-256. Runs confined."""
    return [control_of(path, sha256=sha256) for path, sha256 in archives]
