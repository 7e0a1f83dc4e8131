"""Lists the things in a store, with the space that they take (but see `sizes.py`)."""

import os
from collections.abc import Iterator

from attrs import evolve

from envforge.digest import is_sha256
from envforge.store.layout import Store
from envforge.upkeep.model import Kind, Size, Thing

_BLOCK = 512
"""The unit of st_blocks (stat(2))."""
_DOCUMENTS = (Kind.RECORD, Kind.FACTS)


def listed(store: Store) -> tuple[Thing, ...]:
    """Return all things, by kind and name. Layers, trees and tools have no size yet: see `sizes.measured`."""
    found = [
        *_environments(store),
        *(one for kind in _DOCUMENTS for one in _documents(store, kind)),
        *(Thing(kind, os.path.basename(path), path) for kind, path in directories(store.path)),
        *_blobs(store),
        *_tools(store),
    ]
    order = {kind: place for place, kind in enumerate(Kind)}
    return tuple(sorted(found, key=lambda one: (order[one.kind], one.path)))


def directories(top: str) -> Iterator[tuple[Kind, str]]:
    """Yield the layers and trees of a store, or of a collection's trash: kind, and path below `top`."""
    for kind in (Kind.LAYER, Kind.TREE):
        for group in _entries(f"{top}/{kind}"):
            for entry in _entries(group.path):
                if is_sha256(entry.name):
                    yield kind, f"{kind}/{group.name}/{entry.name}"


def with_sizes(things: tuple[Thing, ...], sizes: dict[str, Size]) -> tuple[Thing, ...]:
    """Return the things with the sizes, by path, of those that were listed without."""
    return tuple(evolve(one, size=sizes[one.path]) if one.path in sizes else one for one in things)


def size_of(status: os.stat_result) -> Size:
    """Return the space that one file takes, whatever other names it has."""
    return Size(status.st_blocks * _BLOCK, 1)


def _environments(store: Store) -> Iterator[Thing]:
    """Yield the environments, each with its lock; a lock whose environment is gone counts as one."""
    sizes: dict[str, Size] = {}
    for entry in _entries(f"{store.path}/environments"):
        name, _, ending = entry.name.partition(".")
        if is_sha256(name) and ending in {"json", "lock"} and (status := _status(entry)):
            sizes[name] = sizes.get(name, Size()) + size_of(status)
    for name, size in sizes.items():
        yield Thing(Kind.ENVIRONMENT, name, f"environments/{name}.json", size)


def _documents(store: Store, kind: Kind) -> Iterator[Thing]:
    for entry in _entries(f"{store.path}/{kind}"):
        name = entry.name.removesuffix(".json")
        if is_sha256(name) and (status := _status(entry)):
            yield Thing(kind, name, f"{kind}/{entry.name}", size_of(status))


def _blobs(store: Store) -> Iterator[Thing]:
    for group in _entries(f"{store.path}/blobs"):
        for entry in _entries(group.path):
            if is_sha256(entry.name) and (status := _status(entry)):
                yield Thing(Kind.BLOB, entry.name, f"blobs/{group.name}/{entry.name}", size_of(status))


def _tools(store: Store) -> Iterator[Thing]:
    for entry in _entries(f"{store.path}/tools"):
        yield Thing(Kind.TOOL, entry.name, f"tools/{entry.name}")


def _entries(path: str) -> list["os.DirEntry[str]"]:
    try:
        return list(os.scandir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _status(entry: "os.DirEntry[str]") -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
