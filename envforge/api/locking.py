"""`lock`: pins every input of a project's environments."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

from attrs import evolve, frozen

from envforge import machine
from envforge.environment.projects import consent
from envforge.environment.projects.project import Project
from envforge.errors import DamagedError, LockStaleError, ResolveError
from envforge.lock import file as lock_file
from envforge.lock.changes import Change, changes
from envforge.lock.model import Lock
from envforge.lock.requests import Requests, requests_of, stale_parts
from envforge.progress import Listener, Progress, ignore
from envforge.store import durability, holds, locks
from envforge.store.layout import open_store

_ALTERED_MAX: Final = 10
ARCHITECTURES: Final = machine.KNOWN

__all__ = ["ARCHITECTURES", "Change", "Lock", "LockResult", "lock", "ready", "written"]


@frozen
class LockResult:
    """The result of locking."""

    lock: Lock
    changes: tuple[Change, ...]
    """Packages whose version changed, came or went."""
    written: bool
    first: bool = False
    """There was no lock before."""
    new: frozenset[str] = frozenset()
    """Environments that the previous lock did not have."""


def lock(
    project: Project,
    *,
    upgrade: bool = False,
    upgrade_packages: Collection[str] = (),
    dry_run: bool = False,
    check: bool = False,
    architectures: Collection[str] = (),
    environment: str | None = None,
    before_writing: Callable[[], None] = lambda: None,
    listener: Listener = ignore,
) -> LockResult:
    """Pin what the project's spec asks for; keep what is pinned and still fits.

    `architectures` (Debian's names) must be in the lock afterwards; by default this machine's.
    `environment` limits an upgrade to one of the spec's environments.
    `before_writing` is called when the new lock is resolved, right before it is written.
    `check` changes nothing and raises LockStaleError where the lock is missing or stale. Raises ResolveError,
    NetworkError, SignatureError, LockError, ConsentError.
    """
    previous = written(project)
    requests = {name: requests_of(spec) for name, spec in project.specs.items()}
    stale = _stale(previous, requests) if previous else ("lock",)
    wanted = sorted(map(_known, architectures)) or [machine.native()]
    missing = [name for name in wanted if previous is None or name not in _locked_for(previous)]
    if check:
        return LockResult(_fresh(project, previous, stale, missing), (), written=False)
    if previous and not stale and not missing and not upgrade and not upgrade_packages:
        return LockResult(previous, (), written=False)
    consent.require(project, consent.LOCKING)
    store = open_store(project.store_path)
    with locks.in_use(store), holds.holding(store, [holds.LOCKING]):
        durability.recover(store)
        upgrades = _Upgrades(upgrade, frozenset(upgrade_packages), environment)
        pin = partial(_resolved, project, requests, previous, missing=missing, upgrades=upgrades)
        found = _despite_altered_blobs(partial(pin, progress=Progress(listener)))
    changed = found != previous and not dry_run
    if changed:
        before_writing()
        lock_file.write(project.lock_path, found)
    new = frozenset(found.environments) - (frozenset(previous.environments) if previous else frozenset())
    return LockResult(found, changes(previous, found), written=changed, first=previous is None, new=new)


def _despite_altered_blobs(pin: Callable[[], Lock]) -> Lock:
    """Resolve, again where an index in the store was altered: each time that one is moved out of the way.

    A power cut can leave several empty.
    """
    for _ in range(_ALTERED_MAX):
        try:
            return pin()
        except DamagedError:
            continue
    return pin()


@frozen
class _Upgrades:
    everything: bool
    packages: frozenset[str]
    environment: str | None
    """The only one to upgrade."""


def _resolved(
    project: Project,
    requests: Mapping[str, Requests],
    previous: Lock | None,
    *,
    missing: Collection[str],
    upgrades: _Upgrades,
    progress: Progress,
) -> Lock:
    from envforge.lock.resolve import ResolveOptions, resolve  # noqa: PLC0415 - only where something is resolved

    pin = partial(
        resolve,
        open_store(project.store_path),
        project=project.files,
        config=project.config,
        progress=progress,
    )
    everything, packages, only = upgrades.everything, upgrades.packages, upgrades.environment
    if only is None or previous is None:
        return pin(requests, ResolveOptions(missing, everything, packages), previous=previous)
    found = pin(requests, ResolveOptions(missing), previous=previous)
    if not everything and not packages:
        return found
    alone = evolve(found, environments={only: found.environments[only]})
    upgraded = pin({only: requests[only]}, ResolveOptions((), everything, packages), previous=alone)
    return evolve(found, environments={**found.environments, **upgraded.environments})


def ready(project: Project, *, locked: bool, frozen: bool, listener: Listener) -> Lock:
    """Return the lock to build from, locking first where it is missing or stale.

    `locked` raises LockStaleError instead; `frozen` takes the lock as it is, and raises where there is none.
    """
    if frozen:
        known = written(project)
        if known is None:
            raise LockStaleError(f"{project.lock_path} does not exist", hint="envforge lock")
        return known
    return lock(project, check=locked, listener=listener).lock


def written(project: Project) -> Lock | None:
    """Return the lock that lies beside the spec, None where there is none. Raises LockError."""
    return lock_file.read_if_there(project.lock_path)


def _known(architecture: str) -> str:
    if architecture not in ARCHITECTURES:
        raise ResolveError(
            f"{architecture} is no architecture of Debian's", hint=f"one of {', '.join(ARCHITECTURES)}"
        )
    return architecture


def _stale(lock: Lock, requests: Mapping[str, Requests]) -> tuple[str, ...]:
    gone = (f"environments.{name}" for name in lock.environments if name not in requests)
    return (*(part for name, asked in requests.items() for part in stale_parts(lock, name, asked)), *gone)


def _locked_for(lock: Lock) -> frozenset[str]:
    """Return the architectures that every environment is locked for."""
    parts = [frozenset(environment.parts) for environment in lock.environments.values()]
    return frozenset.intersection(*parts) if parts else frozenset()


def _fresh(project: Project, known: Lock | None, stale: Sequence[str], missing: Sequence[str]) -> Lock:
    if known is None:
        raise LockStaleError(f"{project.lock_path} does not exist", hint="envforge lock")
    if stale:
        raise LockStaleError(
            f"{project.lock_path} does not fit the spec: {', '.join(stale)} changed", hint="envforge lock"
        )
    if missing:
        options = "".join(f" --architecture {name}" for name in missing if name != machine.native())
        raise LockStaleError(
            f"{project.lock_path} has nothing for {', '.join(missing)}", hint=f"envforge lock{options}"
        )
    return known
