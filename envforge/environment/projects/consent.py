"""The user's consent to what the specs of projects want, remembered in the state directory.

    $XDG_STATE_HOME/envforge/allowed/<project>.json   {"spec", "owner", "wants": [[kind, text, place], …]}

Consent is a set of wants (`reach.py`), word for word. It holds for the spec at one real path while its owner
stays the same. A spec that wants less never asks; one that wants more asks for the new wants only.
"""

import os
import shlex
from collections.abc import Collection, Iterator
from typing import Any, Final

from attrs import frozen

from envforge import config
from envforge.environment.projects import state
from envforge.environment.projects.generations import project_id
from envforge.environment.projects.project import Project
from envforge.environment.projects.reach import BUILDING, LOCKING, Reach, Want, shown
from envforge.errors import ConsentError, LockError
from envforge.lock.model import Lock
from envforge.lock.requests import requests_of
from envforge.sandbox import cache
from envforge.sources import registry

__all__ = ["BUILDING", "LOCKING", "Allowed", "allow", "everything", "known", "missing", "require", "revoke"]

VARIABLE: Final = cache.ALLOW_VARIABLE
_DIRECTORY: Final = "allowed"
_EVERYTHING: Final = "1"


@frozen
class Allowed:
    """What one project is allowed."""

    spec: str
    """Real path of its spec."""
    owner: int
    wants: frozenset[Want]


def known(project: Project) -> frozenset[Want]:
    """Return what the project has been allowed, whether or not its spec wants it now."""
    found = _parse(state.read(_name(project.spec_path)))
    return found.wants if found and found.owner == project.owner else frozenset()


def missing(project: Project, kinds: Collection[str] | None = None) -> tuple[Want, ...]:
    """Return the wants of the project's spec that nobody has allowed: those of `kinds`, or all."""
    wanted = [want for want in project.reach.wants if kinds is None or want.kind in kinds]
    if not wanted or os.environ.get(VARIABLE) in (_EVERYTHING, project.reach.digest):
        return ()
    allowed = known(project)
    return tuple(want for want in wanted if want not in allowed)


def require(project: Project, kinds: Collection[str] | None = None) -> None:
    """Raise ConsentError where the spec wants what nobody has allowed."""
    wants = missing(project, kinds)
    if not wants:
        return
    lines = [f"  {want}" for want in wants]
    raise ConsentError(
        "\n".join([f"{project.spec_path} wants what nobody has allowed it:", *lines]),
        hint=f"{_command(project)}; for one call: {VARIABLE}={project.reach.digest}",
    )


def _command(project: Project) -> str:
    return f"envforge --file {shlex.quote(project.spec_path)} allow"


def require_lock(project: Project, lock: Lock) -> None:
    """Raise LockError where the lock of the project's environment fetches from an address not in the spec.

    Code in a sandbox can edit the lock, and would otherwise add downloads without consent.
    """
    for address in _unnamed(project, lock):
        raise LockError(
            f"{project.lock_path} fetches from {shown(address)}, which the spec does not name",
            hint="envforge lock --upgrade",
        )


def _unnamed(project: Project, lock: Lock) -> Iterator[str]:
    known = lock.environments.get(project.environment)
    requests = requests_of(project.spec)
    for part in known.parts.values() if known else ():
        for name, pinned in part.pinned.items():
            source = registry.source(name)
            named = set(source.addresses(requests[name])) if name in requests else set()
            yield from (address for address in source.origins(pinned) if address not in named)


def allow(project: Project, reach: Reach) -> None:
    """Remember that the project is allowed all of `reach`, besides what it was allowed before."""
    wants = known(project) | set(reach.wants)
    document = {
        "spec": project.spec_path,
        "owner": project.owner,
        "wants": [[want.kind, want.text, want.place] for want in sorted(wants)],
    }
    state.write(_name(project.spec_path), document)


def revoke(project: Project) -> bool:
    """Forget what the project was allowed, and all cached plans; return whether it was allowed anything."""
    there = state.remove(_name(project.spec_path))
    cache.forget_plans()
    return there


def everything() -> Iterator[Allowed]:
    """Yield what each project is allowed."""
    directory = os.path.join(config.state_directory(), _DIRECTORY)
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        if name.endswith(".json") and (found := _parse(state.read(f"{_DIRECTORY}/{name}"))):
            yield found


def _name(spec_path: str) -> str:
    return f"{_DIRECTORY}/{project_id(spec_path)}.json"


def _parse(document: dict[str, Any]) -> Allowed | None:
    if not document:
        return None
    return Allowed(document["spec"], document["owner"], frozenset(Want(*one) for one in document["wants"]))
