"""Finds what keeps things: generations, pins, builds, sandboxes, containers, kept changes, tools in use."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from envforge.containers import records as container_records
from envforge.environment.projects import generations
from envforge.errors import StoreError
from envforge.sandbox.life import running
from envforge.sandbox.uppers import KEPT
from envforge.spec.names import label
from envforge.store import holds, locks, records
from envforge.store.layout import Store
from envforge.upkeep import pins
from envforge.upkeep.model import Cause, Kind, Root, Thing

_TABLE: Final = "table-"
_RELEASE: Final = "release-"
_WHILE_BUILDING: Final = (Kind.TOOL,)
_WHILE_LOCKING: Final = (Kind.BLOB, Kind.FACTS, Kind.TOOL)


def roots(store: Store, things: Sequence[Thing]) -> tuple[Root, ...]:
    """Return everything that keeps things. Raises StoreError where what it keeps cannot be read."""
    return (
        *recorded(store),
        *builds(holds.held(store), things),
        *_sandboxes(store, things),
        *uppers(store),
        *_tools(store, things),
    )


def recorded(store: Store) -> tuple[Root, ...]:
    """Return the roots that stand in documents: generations, pins, containers."""
    return (*_generations(store), *_pins(store), *_containers(store))


def _generations(store: Store) -> Iterator[Root]:
    for project in generations.projects(store):
        is_gone = not os.path.exists(project.spec)
        name = label(project.name, project.variant)
        for one in project.generations:
            yield Root(
                Cause.GENERATION,
                f"{name}@{one.number}",
                keeps=(one.environment, one.spec, one.lock),
                environment=one.environment,
                spec=project.spec,
                variant=project.variant,
                number=one.number,
                is_current=one is project.current,
                is_gone=is_gone,
                used=max(one.created, _entered(store, one.environment)),
            )


def _pins(store: Store) -> Iterator[Root]:
    for pin in pins.pins(store):
        yield Root(
            Cause.PIN,
            pin.name,
            keeps=(pin.environment,),
            environment=pin.environment,
            used=max(pin.created, _entered(store, pin.environment)),
        )


def builds(held: dict[str, frozenset[str]], things: Sequence[Thing]) -> Iterator[Root]:
    """Yield a root for each running build. Tools stay meanwhile; while something is locked, so do files."""
    for name, names in held.items():
        kinds = _WHILE_LOCKING if holds.LOCKING in names else _WHILE_BUILDING
        keeps = names | {one.name for one in things if one.kind in kinds}
        yield Root(Cause.BUILD, name, keeps=tuple(sorted(keeps)))


def _sandboxes(store: Store, things: Sequence[Thing]) -> Iterator[Root]:
    """Yield a root for each environment that somebody is inside of."""
    names: dict[str, str] = {}
    with suppress(OSError):
        for one in running.running():
            names.setdefault(one.environment, f"{one.name} ({one.id})")
    for thing in things:
        if thing.kind is Kind.ENVIRONMENT and is_entered(store, thing.name):
            name = names.get(thing.name, thing.name[:12])
            used = _entered(store, thing.name)
            yield Root(Cause.SANDBOX, name, keeps=(thing.name,), environment=thing.name, used=used)


def is_entered(store: Store, digest: str) -> bool:
    """Say whether a sandbox of the environment runs: it shares the lock then."""
    try:
        return locks.is_held(store.environment_lock(digest))
    except FileNotFoundError:
        return False


def _containers(store: Store) -> Iterator[Root]:
    """Yield a root for the environment of each container, until the container is removed."""
    for one in container_records.read_all(store.path):
        digest = one.config["environment"]
        used = max(one.config["created"], one.state["started"]) // 1_000_000_000
        yield Root(Cause.CONTAINER, one.name, keeps=(digest,), environment=digest, used=used)


def uppers(store: Store) -> Iterator[Root]:
    """Yield a root for what lies below changes that are kept: they fit no other layers."""
    for name in sorted(os.listdir(f"{store.path}/uppers")):
        if not name.startswith(KEPT):
            continue
        path = f"{store.path}/uppers/{name}/over"
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                _, *layers = file.read().split("\n")
        except FileNotFoundError:
            continue  # it has just been forgotten
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}", hint="envforge doctor") from error
        digests = tuple(os.path.basename(layer.removesuffix("/root")) for layer in layers if layer)
        used = int(os.stat(path).st_mtime)
        yield Root(Cause.UPPER, name.removeprefix(KEPT), keeps=digests, used=used)


def _tools(store: Store, things: Sequence[Thing]) -> Iterator[Root]:
    """Yield a root for each tool that was used in the last month, with the index that it was made of."""
    since = time.time() - locks.UNUSED_S
    for thing in things:
        if thing.kind is not Kind.TOOL:
            continue
        try:
            status = os.lstat(f"{store.path}/{thing.path}")
        except FileNotFoundError:
            continue
        used = max(status.st_mtime, status.st_atime)
        if used >= since:
            keeps = (thing.name, *_made_of(store, thing))
            yield Root(Cause.TOOL, thing.name, keeps=keeps, used=int(used))


def _made_of(store: Store, tool: Thing) -> tuple[str, ...]:
    if tool.name.startswith(_TABLE):
        return (tool.name.removeprefix(_TABLE),)
    if tool.name.startswith(_RELEASE):
        with suppress(StoreError):  # a damaged one is fetched anew
            sha256 = (records.read(f"{store.path}/{tool.path}") or {}).get("sha256")
            return (sha256,) if isinstance(sha256, str) else ()
    return ()


def _entered(store: Store, digest: str) -> int:
    """Return when an environment was last entered, 0 where that is not known."""
    try:
        return int(os.stat(store.environment_lock(digest)).st_mtime)
    except FileNotFoundError:
        return 0
