"""Finds a layer by its recipe's key, or publishes and records one that a confined process staged."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from envforge.build.built import Built
from envforge.build.recipe import Recipe
from envforge.build.site import Site
from envforge.digest import is_sha256
from envforge.sandbox.confined.confine import View, call_confined
from envforge.store import audit, layers, records
from envforge.store.layers import Layer

Notes = Mapping[str, Any]
"""Facts about a layer, besides its tree, that later recipes need: JSON values."""


@frozen
class Made:
    """A layer with the recipe that it came from."""

    recipe: Recipe
    layer: Layer
    reused: bool
    notes: Notes = field(factory=dict)

    @property
    def built(self) -> Built:
        """Return the part that environments record."""
        layer = self.layer
        return Built(
            self.recipe.name, self.recipe.key, layer.digest, layer.size_bytes, layer.files, self.reused
        )


def lock_name(site: Site, recipe: Recipe) -> str:
    """Return the name of the lock under which the recipe's layer is made."""
    return f"{site.held}-{recipe.key}"


def find(site: Site, recipe: Recipe, *, taken: bool = False) -> Made | None:
    """Return the layer of a recipe if the store has it in the site's ownership mode.

    A record that came from a cache counts only if the lock names the same digest, or if this build has just
    `taken` it: else whoever can write to one project's cache would choose the layers of another.
    """
    store = site.store
    record = records.read(store.record(recipe.key)) or {}
    digest = record.get("digest")
    if not isinstance(digest, str) or not is_sha256(digest) or "notes" not in record:
        return None
    if record.get("cached") and not taken and (site.recorded or {}).get(recipe.name) != digest:
        return None
    site.keep(digest, recipe.key)
    if not layers.exists(store, site.held, digest):
        return None
    layer = Layer(digest, store.layer(site.held, digest), record["size_bytes"], record["files"])
    return Made(recipe, layer, reused=True, notes=record["notes"])


def publish(site: Site, recipe: Recipe, directory: str, inside: str, value: Mapping[str, Any]) -> Made:
    """Publish and record the layer that a confined process staged at `directory/inside`.

    `value` is that process's result: the numbers of `layers.stage`, and `notes`.
    """
    size_bytes, files = int(value["size_bytes"]), int(value["files"])
    notes = dict(value.get("notes", {}))
    store = site.store
    layer = layers.publish(
        store,
        site.held,
        directory,
        inside,
        size_bytes=size_bytes,
        files=files,
        hold=lambda digest: site.keep(digest, recipe.key),
        is_altered=(lambda digest: bool(altered(site, digest))) if site.anew else None,
    )
    records.write(
        store,
        store.record(recipe.key),
        {
            "key": recipe.key,
            "recipe": recipe.canonical,
            "digest": layer.digest,
            "size_bytes": layer.size_bytes,
            "files": layer.files,
            "notes": notes,
        },
    )
    return Made(recipe, layer, reused=False, notes=notes)


def altered(site: Site, digest: str) -> list[list[str]]:
    """Verify a layer against its listing, reading all of it; return path and cause of each difference."""
    path = site.store.layer(site.held, digest)
    view = View.of(readable=[path])
    return call_confined(site.identity, view, audit.altered, path, digest, site.held)
