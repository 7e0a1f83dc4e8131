"""`history` and `rollback`: the generations of a project's environment, and going back to one of them."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

from envforge.environment.projects import generations as recorded
from envforge.environment.projects.generations import Change, Generation, Plan
from envforge.environment.projects.location import Location
from envforge.errors import LocalEditsError, NotFoundError
from envforge.progress import Listener, ignore
from envforge.store import holds, locks
from envforge.values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envforge.store.layout import Store

__all__ = ["Change", "Generation", "Plan", "RollbackResult", "generations", "preview", "rollback"]


@frozen
class RollbackResult:
    """What going back did."""

    generation: Generation
    """The new one."""
    target: Generation
    backup: str
    """Directory with what was edited since the last build; empty where nothing was."""
    built: bool
    """Layers were missing and have been built."""


def generations(location: Location) -> tuple[Generation, ...]:
    """Return the generations of the project's environment, the oldest first; the last one is current.

    Raises NotFoundError where it was never built.
    """
    with _store(location) as store:
        return recorded.known(store, location.spec_path, location.environment).generations


def preview(location: Location, number: int | None = None) -> Plan:
    """Return what `rollback` would do. Raises NotFoundError, StoreError."""
    from envforge.environment.projects import rollback as way  # noqa: PLC0415 - knows every source

    with _store(location) as store:
        project = recorded.known(store, location.spec_path, location.environment)
        return way.plan(store, project, recorded.choose(project, number))


def rollback(
    location: Location, number: int | None = None, *, over_edits: bool = False, listener: Listener = ignore
) -> RollbackResult:
    """Go back to a generation, by default the one before the current one: its spec, lock and environment.

    That is a new generation, so it can be undone. `over_edits` replaces a spec or lock that was edited since
    it was built, and keeps a copy. Layers that the store lacks are built.

    Raises LocalEditsError, NotFoundError, StoreError, and whatever `building.build` raises.
    """
    from envforge.environment.projects import rollback as way  # noqa: PLC0415 - as above
    from envforge.sandbox.ids import identity as identities  # noqa: PLC0415 - as above

    with _store(location) as store:
        project = recorded.known(store, location.spec_path, location.environment)
        target = recorded.choose(project, number)
        with holds.holding(store, (target.environment, target.spec, target.lock)):
            plan = way.plan(store, project, target)
            if plan.edits and not over_edits:
                raise _edited(plan)
            backup = way.keep(location.spec_path, plan.edits) if plan.edits else ""
            way.restore(plan.changes)
            generation = way.note(store, project, target)
            whole = way.is_whole(store, generation, identities.detect().held)
    if not whole:
        _build(location, listener)
    return RollbackResult(generation, target, backup, built=not whole)


def _edited(plan: Plan) -> LocalEditsError:
    names = " and ".join(edit.path for edit in plan.edits)
    return LocalEditsError(
        f"{names} was edited since it was built, and no generation has it",
        hint="`envforge rollback --dry-run` shows the edits; with --yes a copy of them is kept",
    )


def _build(location: Location, listener: Listener) -> None:
    from envforge.api import building  # noqa: PLC0415 - only where layers are missing
    from envforge.environment.projects.project import open_project  # noqa: PLC0415

    project = open_project(location.spec_path, location.store_path, environment=location.environment)
    building.build(project, listener=listener)


@contextmanager
def _store(location: Location) -> "Iterator[Store]":
    with locks.reading(location.store_path) as store:
        if store is None:
            raise NotFoundError(f"there is no store at {location.store_path} yet", hint="envforge build")
        yield store
