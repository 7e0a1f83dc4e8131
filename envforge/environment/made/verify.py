"""Verifies layers: rehashes them from the disk, and builds them again in a store of their own to compare.

The second build trusts only the store's blobs, which are hashed when they are used.
"""

import os
from collections.abc import Collection, Iterator
from typing import Final

from attrs import evolve, frozen

from envforge.build.built import Built
from envforge.build.layer import altered
from envforge.build.site import Site
from envforge.environment.made.assemble import clear, held_names, locked_part, works_of
from envforge.environment.projects.project import Project
from envforge.lock.model import Lock, Part
from envforge.progress import Progress
from envforge.sandbox.ids.identity import Identity
from envforge.store import holds, layers, listing
from envforge.store.layout import Store, open_store
from envforge.store.listing import Entry
from envforge.store.staging import give_up, reserve

_ALTERED: Final = "altered "


@frozen
class Difference:
    """A path that differs between two builds, or between a layer's listing and the disk."""

    layer: str
    path: str
    cause: str
    """What differs: `content`, `mode`, `owner`, …, or `missing`, `new`; with `altered` in front where the
    disk differs from the layer's own listing."""

    @property
    def is_altered(self) -> bool:
        """Return whether a file of the store was changed after it was made."""
        return self.cause.startswith(_ALTERED)


def differences(layer: str, first: bytes, second: bytes) -> Iterator[Difference]:
    """Yield what differs between two listings of the layer. Pure."""
    old = {entry.path: entry for entry in listing.iterate(first)}
    new = {entry.path: entry for entry in listing.iterate(second)}
    for path in sorted(old.keys() | new.keys()):
        cause = _cause(old.get(path), new.get(path))
        if cause:
            yield Difference(layer, os.fsdecode(path), cause)


def _cause(old: Entry | None, new: Entry | None) -> str:
    if old == new:
        return ""
    if old is None:
        return "new"
    if new is None:
        return "missing"
    fields = {
        "type": (old.type, new.type),
        "content": (old.content, new.content),
        "mode": (old.mode, new.mode),
        "owner": ((old.uid, old.gid), (new.uid, new.gid)),
        "time": (old.mtime, new.mtime),
        "attributes": (old.xattrs, new.xattrs),
    }
    return next((name for name, (before, after) in fields.items() if before != after), "links")


def read_layers(
    project: Project, identity: Identity, built: Collection[Built], progress: Progress
) -> tuple[Difference, ...]:
    """Return what was altered in layers since they were published; reads every file, 0.8 s for 600 MB."""
    progress.stage("reading", total_items=len(built), unit="layers")
    site = Site(open_store(project.store_path), identity, project.config)
    found: list[Difference] = []
    for layer in built:
        for path, cause in altered(site, layer.digest):
            found.append(Difference(layer.name, path, f"{_ALTERED}{cause}"))
        progress.item(layer.name)
    return tuple(found)


def rebuild_apart(
    project: Project, lock: Lock, identity: Identity, built: tuple[Built, ...], progress: Progress
) -> tuple[Difference, ...]:
    """Build the locked layers again in a store of their own; return how they differ from `built`.

    Blobs are shared; everything else is made anew. Layers of local files are not built again. Raises
    IntegrityError where a blob was altered.
    """
    site = Site(open_store(project.store_path), identity, project.config)
    part = locked_part(project, lock)
    with holds.holding(site.store, held_names(part)):
        try:
            return _compare(site, part, built, progress)
        finally:
            clear(site)


def _compare(site: Site, part: Part, built: tuple[Built, ...], progress: Progress) -> tuple[Difference, ...]:
    from envforge.build import builder  # noqa: PLC0415 - only this command builds here

    digests = {layer.name: layer.digest for layer in built}
    found: list[Difference] = []
    directory, lock = reserve(site.store, "verify")
    try:
        apart = evolve(site, store=_store_with_blobs_of(site.store, f"{directory}/store"))
        for layer in builder.build(apart, works_of(apart, part, progress), progress):
            if digests[layer.name] != layer.digest:
                first = layers.read_listing(site.store, site.held, digests[layer.name])
                second = layers.read_listing(apart.store, site.held, layer.digest)
                found += differences(layer.name, first, second)
    finally:
        give_up(directory, lock)  # its files belong to many ids, so `clear` removes them
    return tuple(found)


def _store_with_blobs_of(store: Store, path: str) -> Store:
    apart = open_store(path)
    os.rmdir(f"{apart.path}/blobs")
    os.symlink(f"{store.path}/blobs", f"{apart.path}/blobs")
    return apart
