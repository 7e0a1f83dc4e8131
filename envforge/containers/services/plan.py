"""Decides what `up` and `down` do: which services, in which order, and what with each. Pure.

wanted (spec) ──┐
                ├── steps: create, keep, start, restart, recreate, remove; with the fields that changed
existing ───────┘
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, Literal

from attrs import frozen

Action = Literal["create", "keep", "start", "restart", "recreate", "remove"]
Condition = Literal["started", "healthy", "completed"]

RESTARTED: Final = frozenset({"health", "limits", "restart", "stop"})
"""Fields that a container can take over without being made anew: its files stay."""
ENDED: Final = frozenset({"created", "exited", "dead"})
"""What a container's status says when nothing of it runs."""


@frozen
class Dependency:
    """A service that another one waits for."""

    name: str
    condition: Condition


@frozen
class Wanted:
    """A service as the spec wants it."""

    name: str
    fields: Mapping[str, Any]
    """What its container's record must say, by field."""
    depends_on: tuple[Dependency, ...] = ()


@frozen
class Existing:
    """A service's container as it is."""

    id: str
    name: str
    """The service's."""
    status: str
    fields: Mapping[str, Any]


@frozen
class Step:
    """What happens with one service."""

    service: str
    action: Action
    changed: tuple[str, ...] = ()
    """The fields whose values differ, sorted: why it is restarted or made anew."""
    container: str = ""
    """The ID of its container, if there is one."""


def ordered(services: Mapping[str, Wanted], chosen: Collection[str] = ()) -> tuple[str, ...]:
    """Return the chosen services and all that they wait for, in an order in which each can start.

    All of them where none is chosen. The spec has no circle (`spec/service_contradictions.py`).
    """
    found: dict[str, None] = {}

    def add(name: str) -> None:
        for dependency in services[name].depends_on:
            if dependency.name not in found:
                add(dependency.name)
        found.setdefault(name)

    for name in chosen or services:
        add(name)
    return tuple(found)


def steps(
    services: Mapping[str, Wanted],
    existing: Iterable[Existing],
    chosen: Collection[str] = (),
    *,
    anew: bool = False,
) -> tuple[Step, ...]:
    """Return what `up` does, in order; `anew` makes every container again.

    Containers of services that the spec no longer has are removed first, unless only some were chosen.
    """
    known = {one.name: one for one in existing}
    gone = () if chosen else (name for name in sorted(known) if name not in services)
    return (
        *(Step(name, "remove", (), known[name].id) for name in gone),
        *(_step(services[name], known.get(name), anew=anew) for name in ordered(services, chosen)),
    )


def _step(wanted: Wanted, existing: Existing | None, *, anew: bool) -> Step:
    if existing is None:
        return Step(wanted.name, "create")
    changed = tuple(sorted(_changed(wanted.fields, existing.fields)))
    if anew or not RESTARTED.issuperset(changed):
        return Step(wanted.name, "recreate", changed, existing.id)
    if existing.status in ENDED:
        return Step(wanted.name, "start", changed, existing.id)
    return Step(wanted.name, "restart" if changed else "keep", changed, existing.id)


def _changed(wanted: Mapping[str, Any], existing: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in {*wanted, *existing} if wanted.get(name) != existing.get(name))


def stopping(services: Mapping[str, Wanted], existing: Iterable[Existing]) -> tuple[str, ...]:
    """Return the IDs of containers in the order in which they are stopped: dependents first.

    Those of services that the spec no longer has come first, as nothing else may wait for them.
    """
    by_name = {one.name: one.id for one in existing}
    last = [name for name in reversed(ordered(services)) if name in by_name]
    return tuple(by_name[name] for name in (*sorted(set(by_name) - set(last)), *last))
