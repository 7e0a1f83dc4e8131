"""Resolves a request to pins: refreshes indexes, chooses packages, keeps the old pins if nothing changed."""

import os
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import evolve, frozen
from pysequoia import Cert

from envforge import machine
from envforge.sources.debian.indexes import index, mirrors, signature
from envforge.sources.debian.indexes.index import SuiteIndex
from envforge.sources.debian.indexes.release import Access, Source, fetch_remembered
from envforge.sources.debian.model import Closure, LockedArchive, LockedPackage, Request, RequestedArchive
from envforge.sources.debian.resolve import tooltree, workspace
from envforge.sources.debian.resolve.choose import Choices, Pins, choose
from envforge.sources.debian.resolve.details import details
from envforge.sources.debian.resolve.workspace import Workspace
from envforge.sources.interface import Before, Session

_KEPT: Final = "@"
"""Marks the name of an older index that only pinned packages come from: `bookworm@2026-07-11T10:16:37Z`."""


@frozen
class _Work:
    """Context of resolving one request."""

    session: Session
    access: Access
    request: Request

    def fetched(self, count: int) -> None:
        """Report fetched bytes."""
        self.session.progress.bytes(count)


def pin(session: Session, request: Request, architecture: str, before: Before | None) -> Closure:
    """Return the closure of a request. It equals the one before where nothing needs to change.

    Raises ResolveError, NetworkError, SignatureError, IntegrityError.
    """
    access = session.once("debian", lambda: _access(session))
    work = _Work(session, access, request)
    pinned: Closure | None = None if before is None else before.pinned
    pins = Pins() if before is None or pinned is None else _pins(before, pinned, request)
    sources = tuple(_sources(work, pins.archives))
    suites = _refresh(work, sources, architecture)
    session.progress.stage("resolving")
    known = details(access, suites, pins.packages, pins.archives)

    def space() -> Workspace:
        native = machine.native()
        tool_suites = suites if architecture == native else _refresh(work, sources, native)
        tools = tooltree.ensure(access, tool_suites, work.fetched)
        return workspace.ensure(session.store, tools, suites, architecture)

    packages = choose(Choices(architecture, suites, space), request, evolve(pins, details=known))
    if pinned is not None and packages == pinned.packages and _same_sources(pinned.archives, sources):
        return pinned
    archives, packages = _archives(suites, packages, pins.archives)
    return Closure(architecture, archives, packages)


def _access(session: Session) -> Access:
    fetcher = session.stack.enter_context(mirrors.open_fetcher(session.config))
    return Access(session.store, fetcher, mirrors.discover(session.config))


def _pins(before: Before, pinned: Closure, now: Request) -> Pins:
    """Return the pins that stay: none for `upgrade` or a new suite."""
    if before.upgrade or before.request.suite != now.suite:
        return Pins(archives=pinned.archives)
    same = evolve(before.request, packages=()) == evolve(now, packages=())
    free = before.free & {package.name for package in pinned.packages}
    return Pins(pinned.packages, pinned.archives, free, same_frame=same)


def _refresh(work: _Work, sources: Sequence[Source], architecture: str) -> tuple[SuiteIndex, ...]:
    def refreshed() -> tuple[SuiteIndex, ...]:
        work.session.progress.stage("package index")
        return index.refresh(work.access, sources, architecture=architecture, progress=work.fetched)

    return work.session.once(("debian", tuple(sources), architecture), refreshed)


def _sources(work: _Work, seen: Sequence[LockedArchive]) -> Iterator[Source]:
    """Yield the suites of a request: its own and its pockets', then further archives'."""
    request = work.request
    for suite in (request.suite, *(f"{request.suite}-{pocket}" for pocket in request.pockets)):
        certs = (*signature.shipped_keys(), *_configured_keys(work, mirrors.archive_of(suite, "")))
        yield Source(
            name=suite,
            suite=suite,
            components=request.components,
            certs=certs,
            not_before=_last_date(seen, suite, ""),
        )
    for archive in request.archives:
        yield Source(
            name=archive.name,
            suite=archive.suite,
            components=archive.components,
            uri=archive.uri,
            certs=(*_keys(work, archive), *_configured_keys(work, archive.uri)),
            not_before=_last_date(seen, archive.suite, archive.uri),
        )


def _configured_keys(work: _Work, archive: str) -> tuple[Cert, ...]:
    path = work.session.config.keys.get(archive)
    return signature.keys_of_file(path) if path else ()


def _keys(work: _Work, archive: RequestedArchive) -> tuple[Cert, ...]:
    """Return the keys of a further archive: of a key file, by fingerprint from an address, or Debian's."""
    if not archive.key:
        return signature.shipped_keys()
    fingerprint, _, source = archive.key.rpartition(" ")
    if not source.startswith(("http://", "https://")):
        return signature.keys_of_file(os.path.join(work.session.project.directory, archive.key))
    data = fetch_remembered(work.access, source)
    return signature.with_fingerprint(signature.keys_of_bytes(data, source), fingerprint, source)


def _last_date(seen: Sequence[LockedArchive], suite: str, uri: str) -> str:
    return max((item.date for item in seen if (item.suite, item.uri) == (suite, uri)), default="")


def _same_sources(archives: Sequence[LockedArchive], sources: Sequence[Source]) -> bool:
    current = {(item.name, item.suite, item.uri) for item in archives if _KEPT not in item.name}
    return current == {(source.name, source.suite, source.uri) for source in sources}


def _archives(
    suites: Sequence[SuiteIndex], packages: Sequence[LockedPackage], seen: Sequence[LockedArchive]
) -> tuple[tuple[LockedArchive, ...], tuple[LockedPackage, ...]]:
    """Return the lock's archives, and the packages with their archives' names.

    A pinned package that its archive has dropped keeps the older index that had it, under a name of its own:
    the index's date is what a snapshot service is asked by.
    """
    before = {item.name: item for item in seen}
    current = {suite.source.name: suite for suite in suites}
    archives = {name: _locked_archive(suite, before.get(name)) for name, suite in current.items()}
    named = []
    for package in packages:
        suite = current.get(package.archive)
        old = before.get(package.archive)
        if old is None or (suite is not None and _has(suite, package)):
            named.append(package)
            continue
        name = old.name if _KEPT in old.name else f"{old.name}{_KEPT}{old.date}"
        archives[name] = evolve(old, name=name)
        named.append(evolve(package, archive=name))
    return tuple(archives[name] for name in sorted(archives)), tuple(named)


def _has(suite: SuiteIndex, package: LockedPackage) -> bool:
    return any(found.sha256 == package.sha256 for found in suite.find(package.name))


def _locked_archive(suite: SuiteIndex, before: LockedArchive | None) -> LockedArchive:
    """Return the lock's entry of an index; the fingerprint stays as before while that key still signs."""
    signers = suite.release.fingerprints
    same = before is not None and before.fingerprint in signers
    return LockedArchive(
        name=suite.source.name,
        suite=suite.source.suite,
        date=f"{suite.release.date:%Y-%m-%dT%H:%M:%SZ}",
        fingerprint=before.fingerprint if before is not None and same else signers[0],
        uri=suite.source.uri,
    )
