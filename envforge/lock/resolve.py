"""From a request to a lock: indexes refreshed, packages chosen, dates kept where nothing else moved."""

import os
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from attrs import evolve, frozen
from pysequoia import Cert

from envforge import config as configuration
from envforge import machine as architecture_of_debian
from envforge.config import Config
from envforge.errors import ResolveError
from envforge.lock.changes import Change, changes
from envforge.lock.choose import Pins, choose
from envforge.lock.model import Lock
from envforge.progress import Progress
from envforge.sources.debian.indexes import index, mirrors, signature
from envforge.sources.debian.indexes.index import SuiteIndex
from envforge.sources.debian.indexes.release import Access, Source, fetch_remembered
from envforge.sources.debian.model import (
    ArchitectureLock,
    LockedArchive,
    LockedPackage,
    Request,
    RequestedArchive,
)
from envforge.sources.debian.resolve import tooltree, workspace
from envforge.store.layout import Store

__all__ = ["Change", "changes", "resolve"]

_KEPT: Final = "@"
"""In the name of an older index, which only pinned packages come from: `bookworm@2026-07-11T10:16:37Z`."""


@frozen
class _Session:
    access: Access
    request: Request
    config: Config
    directory: str
    progress: Progress

    def fetched(self, count: int) -> None:
        """Tell of bytes that came."""
        self.progress.bytes(count)


def resolve(
    store: Store,
    request: Request,
    *,
    architectures: Collection[str],
    previous: Lock | None = None,
    upgrade: bool = False,
    upgrade_packages: Collection[str] = (),
    directory: str = ".",
    config: Config | None = None,
    progress: Progress | None = None,
) -> Lock:
    """Return the lock for a request, for these and the previous lock's machines.

    It equals `previous` where nothing needs to change.

    `directory` is the spec's: key files are relative to it. Other architectures of the previous lock are
    resolved again where the request has changed. Raises ResolveError, NetworkError, SignatureError,
    IntegrityError.
    """
    settings = configuration.load() if config is None else config
    parts = {part.architecture: part for part in previous.architectures} if previous else {}
    changed = upgrade or bool(upgrade_packages) or previous is None or previous.request != request
    with mirrors.open_fetcher(settings) as fetcher:
        access = Access(store, fetcher, mirrors.discover(settings))
        session = _Session(access, request, settings, directory, progress or Progress())
        for name in sorted({*architectures, *(parts if changed else ())}):
            then = previous.request if previous else request
            pins = _pins(parts.get(name), then, request, upgrade=upgrade, free=upgrade_packages)
            parts[name] = _resolve_part(session, name, pins, parts.get(name))
    found = tuple(parts[name] for name in sorted(parts))
    if previous is None:
        return Lock(request, found)
    return evolve(previous, request=request, architectures=found)


def _pins(
    part: ArchitectureLock | None, then: Request, now: Request, *, upgrade: bool, free: Collection[str]
) -> Pins:
    """Return what stays pinned. `upgrade` and a new suite pin nothing."""
    if part is None:
        return Pins()
    unknown = sorted(set(free) - {package.name for package in part.packages})
    if unknown:
        raise ResolveError(
            f"the lock has no package {', '.join(unknown)} for {part.architecture}",
            hint="`envforge tree` lists what it has",
        )
    if upgrade or then.suite != now.suite:
        return Pins(archives=part.archives)
    same = evolve(then, packages=()) == evolve(now, packages=())
    return Pins(part.packages, part.archives, frozenset(free), same_frame=same)


def _resolve_part(
    session: _Session, architecture: str, pins: Pins, before: ArchitectureLock | None
) -> ArchitectureLock:
    sources = tuple(_sources(session, pins.archives))
    suites = _refresh(session, sources, architecture)
    native = architecture_of_debian.native()
    tool_suites = suites if architecture == native else _refresh(session, sources, native)
    tools = tooltree.ensure(session.access, tool_suites, session.fetched)
    session.progress.stage("resolving")
    space = workspace.ensure(session.access.store, tools, suites, architecture)
    packages = choose(space, session.request, pins)
    if before is not None and packages == before.packages and _same_sources(before.archives, sources):
        return before
    archives, packages = _archives(suites, packages, pins.archives)
    outputs = before.outputs if before is not None and packages == before.packages else None
    return ArchitectureLock(architecture, archives, packages, outputs)


def _refresh(session: _Session, sources: Sequence[Source], architecture: str) -> tuple[SuiteIndex, ...]:
    session.progress.stage("package index")
    return index.refresh(session.access, sources, architecture=architecture, progress=session.fetched)


def _sources(session: _Session, seen: Sequence[LockedArchive]) -> Iterator[Source]:
    """Yield the suites of a request: its own and its pockets', then further archives'."""
    request = session.request
    for suite in (request.suite, *(f"{request.suite}-{pocket}" for pocket in request.pockets)):
        certs = (*signature.shipped_keys(), *_configured_keys(session, mirrors.archive_of(suite, "")))
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
            certs=(*_keys(session, archive), *_configured_keys(session, archive.uri)),
            not_before=_last_date(seen, archive.suite, archive.uri),
        )


def _configured_keys(session: _Session, archive: str) -> tuple[Cert, ...]:
    path = session.config.keys.get(archive)
    return signature.keys_of_file(path) if path else ()


def _keys(session: _Session, archive: RequestedArchive) -> tuple[Cert, ...]:
    """Return the keys of a further archive: of a file, by fingerprint from their source, or Debian's."""
    if not archive.key:
        return signature.shipped_keys()
    fingerprint, _, source = archive.key.rpartition(" ")
    if not source.startswith(("http://", "https://")):
        return signature.keys_of_file(os.path.join(session.directory, archive.key))
    data = fetch_remembered(session.access, source)
    return signature.with_fingerprint(signature.keys_of_bytes(data, source), fingerprint, source)


def _last_date(seen: Sequence[LockedArchive], suite: str, uri: str) -> str:
    return max((item.date for item in seen if (item.suite, item.uri) == (suite, uri)), default="")


def _same_sources(archives: Sequence[LockedArchive], sources: Sequence[Source]) -> bool:
    current = {(item.name, item.suite, item.uri) for item in archives if _KEPT not in item.name}
    return current == {(source.name, source.suite, source.uri) for source in sources}


def _archives(
    suites: Sequence[SuiteIndex], packages: Sequence[LockedPackage], seen: Sequence[LockedArchive]
) -> tuple[tuple[LockedArchive, ...], tuple[LockedPackage, ...]]:
    """Return the lock's archives, and the packages as they name them.

    A pinned package that its archive has dropped keeps the older index that had it, under a name of its own:
    by that date a snapshot service finds it.
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
    """Return what the lock says of an index; the key that it named before stays while it still signs."""
    signers = suite.release.fingerprints
    same = before is not None and before.fingerprint in signers
    return LockedArchive(
        name=suite.source.name,
        suite=suite.source.suite,
        date=f"{suite.release.date:%Y-%m-%dT%H:%M:%SZ}",
        fingerprint=before.fingerprint if before is not None and same else signers[0],
        uri=suite.source.uri,
    )
