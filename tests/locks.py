"""Locks for tests: of Debian alone, as most are."""

from collections.abc import Mapping

from envforge.lock.model import DEFAULT, Lock, LockedEnvironment, Outputs, Part
from envforge.sources.debian.model import Closure, LockedPackage, Request


def lock_of(request: Request, *closures: Closure, outputs: Mapping[str, Outputs] | None = None) -> Lock:
    """Return a lock with one environment; `outputs` are by architecture."""
    parts = {
        closure.architecture: Part({"debian": closure}, (outputs or {}).get(closure.architecture))
        for closure in closures
    }
    return Lock({DEFAULT: LockedEnvironment({"debian": request}, parts)})


def request_of(lock: Lock) -> Request:
    """Return what the environment asks Debian for."""
    return lock.environments[DEFAULT].requests["debian"]


def closure_of(lock: Lock, architecture: str | None = None) -> Closure:
    """Return the closure for an architecture, for the first where none is named."""
    parts = lock.environments[DEFAULT].parts
    return parts[architecture or next(iter(parts))].pinned["debian"]


def packages_of(lock: Lock) -> dict[str, LockedPackage]:
    """Return the packages of the first architecture, by name."""
    return {package.name: package for package in closure_of(lock).packages}
