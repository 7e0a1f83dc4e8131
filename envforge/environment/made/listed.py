"""Lists the current environments of a store's projects. Reads only.

Thousands of records are looked at, so nothing is loaded or parsed here that this can do without.
"""

import os
import re
from collections.abc import Mapping
from typing import Final

from envforge.environment.made import model
from envforge.environment.projects import generations
from envforge.errors import StoreError
from envforge.spec.names import DEFAULT, label
from envforge.store import locks, records
from envforge.store.layout import Store
from envforge.values import frozen

_SIZE: Final = re.compile(rb'^ "size_bytes": ([0-9]+),?$', re.MULTILINE)


@frozen
class EnvironmentInfo:
    """One project's current environment, as `ls` shows it."""

    name: str
    environment: str
    created: int
    """Seconds since 1970."""
    last_used: int
    """Likewise: when it was last entered."""
    size_bytes: int
    unique_bytes: int
    """Of the layers that no other current environment has."""
    generation: int
    spec: str


def environments(store_path: str) -> tuple[EnvironmentInfo, ...]:
    """Return the current environment of every project in the store, by name; none where there is no store."""
    with locks.reading(store_path) as store:
        return _environments(store) if store is not None else ()


def _environments(store: Store) -> tuple[EnvironmentInfo, ...]:
    sizes: dict[str, int] = {}
    users: dict[str, int] = {}
    found = []
    for project in generations.projects(store):
        document = records.read(store.environment(project.current.environment))
        if document is None:
            continue
        environment = model.from_document(document)
        found.append((project, environment))
        for layer in environment.layers:
            users[layer.digest] = users.get(layer.digest, 0) + 1
            if layer.digest not in sizes:
                sizes[layer.digest] = _size_bytes(store, layer)
    return tuple(
        _info(store, project, environment, sizes, users)
        for project, environment in sorted(found, key=lambda pair: _order(pair[0]))
    )


def _order(project: generations.History) -> tuple[str, str, bool, str]:
    """Return what `ls` sorts by: the environments of a project stand together, its own first."""
    return project.name, project.spec, project.variant != DEFAULT, project.variant


def _info(
    store: Store,
    project: generations.History,
    environment: model.Environment,
    sizes: Mapping[str, int],
    users: Mapping[str, int],
) -> EnvironmentInfo:
    own = [layer.digest for layer in environment.layers]
    current = project.current
    return EnvironmentInfo(
        label(project.name, project.variant),
        current.environment,
        current.created,
        _last_used(store, current),
        sum(sizes[digest] for digest in own),
        sum(sizes[digest] for digest in own if users[digest] == 1),
        current.number,
        project.spec,
    )


def _last_used(store: Store, generation: generations.Generation) -> int:
    try:
        return int(os.stat(store.environment_lock(generation.environment)).st_mtime)
    except FileNotFoundError:
        return generation.created


def _size_bytes(store: Store, layer: model.LayerReference) -> int:
    """Return a layer's size by its record, whose recipe is long, and not looked at."""
    path = store.record(layer.key)
    try:
        with open(path, "rb") as file:
            found = _SIZE.search(file.read())
    except FileNotFoundError as error:
        raise StoreError(f"the store has no record of layer {layer.name}", hint="envforge build") from error
    if found is None:
        raise StoreError(f"{path} is damaged: it names no size", hint="envforge fsck --repair")
    return int(found[1])
