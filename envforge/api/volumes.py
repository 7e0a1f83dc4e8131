"""Named volumes: listing, removing, copying them, and as tar archives."""

import os
from typing import BinaryIO

from envforge.containers.volumes import archives
from envforge.containers.volumes import named as volumes
from envforge.containers.volumes.named import Volume
from envforge.errors import InUseError
from envforge.sandbox.ids import identity as identities

__all__ = ["Volume", "all_of", "clone", "export", "fill", "remove", "users"]


def all_of(store: str) -> list[Volume]:
    """Return all volumes of a store, by name."""
    return list(volumes.read_all(os.path.realpath(store)))


def users(store: str, name: str) -> list[str]:
    """Return the names of the containers that have a volume, and the ids of what else runs with it."""
    store = os.path.realpath(store)
    return [*volumes.users(store, name), *volumes.runs(store, name)]


def remove(store: str, name: str) -> None:
    """Remove a volume. Raises NotFoundError, InUseError where something has it."""
    volumes.remove(os.path.realpath(store), name)


def export(store: str, name: str, target: BinaryIO) -> None:
    """Write a volume as a tar archive. Raises NotFoundError."""
    store = os.path.realpath(store)
    archives.export(store, volumes.read(store, name), identities.detect(), target)


def fill(store: str, name: str, source: BinaryIO) -> Volume:
    """Unpack a tar archive into a volume, which is made if there is none. Raises ArchiveError."""
    store = os.path.realpath(store)
    volume = volumes.found_or_new(store, name)
    archives.fill(store, volume, identities.detect(), source)
    return volume


def clone(store: str, name: str, new_name: str) -> Volume:
    """Copy a volume. Raises NotFoundError, InUseError where the new one is there already."""
    store = os.path.realpath(store)
    volume = volumes.read(store, name)
    if new_name in {one.name for one in volumes.read_all(store)}:
        raise InUseError(f"there is a volume {new_name} already", hint=f"envforge volume rm {new_name}")
    target = volumes.new(store, new_name, volume.project)
    archives.clone(store, volume, target, identities.detect())
    return target
