"""Resolves requests into a lock: each source pins what it is asked for, and keeps earlier pins if it can."""

from collections.abc import Collection, Mapping
from contextlib import ExitStack

from attrs import evolve, frozen

from envforge import config as configuration
from envforge.build.site import ProjectFiles
from envforge.config import Config
from envforge.errors import ResolveError
from envforge.lock.model import Lock, LockedEnvironment, Part
from envforge.lock.requests import Requests
from envforge.progress import Progress
from envforge.sources import registry
from envforge.sources.interface import Before, Pinned, Request, Session, Source
from envforge.store.layout import Store


@frozen
class ResolveOptions:
    """The options of locking."""

    architectures: Collection[str]
    """Architectures to resolve in any case; the lock's others only where their request has changed, or in an
    upgrade."""
    upgrade: bool = False
    """No pin is kept."""
    free: frozenset[str] = frozenset()
    """Names of packages whose pins are not kept."""


def resolve(
    store: Store,
    requests: Mapping[str, Requests],
    options: ResolveOptions,
    *,
    previous: Lock | None = None,
    project: ProjectFiles | None = None,
    config: Config | None = None,
    progress: Progress | None = None,
) -> Lock:
    """Return the lock for the requests of each environment. It equals `previous` where nothing need change.

    `project` is where files that a request names are read. Raises ResolveError, NetworkError,
    SignatureError, IntegrityError.
    """
    settings = configuration.load() if config is None else config
    known = {} if previous is None else previous.environments
    _check_free(known, options.free)
    places = {*options.architectures, *(place for one in known.values() for place in one.parts)}
    with ExitStack() as stack:
        session = Session(store, settings, project or ProjectFiles("."), progress or Progress(), stack)
        environments = {
            name: _environment(session, asked, known.get(name), options, sorted(places))
            for name, asked in requests.items()
        }
    return Lock(environments) if previous is None else evolve(previous, environments=environments)


def _check_free(known: Mapping[str, LockedEnvironment], free: frozenset[str]) -> None:
    """Raise ResolveError where a package that may change is in no part of the lock."""
    there = {
        package.name.partition(":")[0]
        for environment in known.values()
        for part in environment.parts.values()
        for source in registry.LOCKED
        if source.name in part.pinned
        for package in source.packages(part.pinned[source.name])
    }
    unknown = sorted(free - there)
    if unknown:
        raise ResolveError(
            f"the lock has no package {', '.join(unknown)}", hint="`envforge tree` lists what it has"
        )


def _environment(
    session: Session,
    requests: Requests,
    known: LockedEnvironment | None,
    options: ResolveOptions,
    architectures: Collection[str],
) -> LockedEnvironment:
    parts = {}
    for architecture in architectures:
        part = known.parts.get(architecture) if known else None
        pinned = {
            source.name: _pin(session, source, architecture, requests[source.name], known, options=options)
            for source in registry.LOCKED
            if source.name in requests
        }
        same = part is not None and part.pinned == pinned
        parts[architecture] = Part(pinned, part.outputs if part is not None and same else None)
    return LockedEnvironment(dict(requests), parts)


def _pin(
    session: Session,
    source: Source,
    architecture: str,
    request: Request,
    known: LockedEnvironment | None,
    *,
    options: ResolveOptions,
) -> Pinned:
    """Return what a source pins: the earlier pins where nothing is to change."""
    part = known.parts.get(architecture) if known else None
    pinned = part.pinned.get(source.name) if part else None
    then = known.requests.get(source.name) if known else None
    is_kept = then == request and architecture not in options.architectures
    if pinned is not None and is_kept and not options.upgrade and not options.free:
        return pinned
    before = None if then is None else Before(then, pinned, options.upgrade, options.free)
    return source.resolve(session, request, architecture, before)
