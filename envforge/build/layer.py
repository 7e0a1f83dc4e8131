"""Make a layer once: found by its recipe's key, else made under a lock, published, recorded."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from envforge.digest import is_sha256
from envforge.recipe.model import Recipe
from envforge.store import layers, locks, records
from envforge.store.layers import Layer
from envforge.store.layout import Store
from envforge.store.listing import Entry
from envforge.store.staging import staging

Notes = Mapping[str, Any]
"""What later recipes must know of a layer besides its tree: JSON values."""


@frozen
class Built:
    """A layer of an environment: what is reported, recorded and put into digests."""

    name: str
    key: str
    digest: str
    size_bytes: int
    """Of its files, each path counted."""
    files: int
    """Paths that are no directories."""
    reused: bool
    """It was in the store already."""


@frozen
class Made:
    """A layer with the recipe that it came from."""

    recipe: Recipe
    layer: Layer
    reused: bool
    notes: Notes = field(factory=dict)

    @property
    def built(self) -> Built:
        """Return what an environment needs of it."""
        layer = self.layer
        return Built(
            self.recipe.name, self.recipe.key, layer.digest, layer.size_bytes, layer.files, self.reused
        )


Make = Callable[[str], tuple[list[Entry], Notes]]
"""Makes the tree in `layer/root` of the given directory; returns its entries and notes."""


def find(store: Store, held: str, recipe: Recipe) -> Made | None:
    """Return the layer of a recipe if it is in the store with owners held that way."""
    record = records.read(store.record(recipe.key)) or {}
    digest = record.get("digest")
    if not isinstance(digest, str) or not is_sha256(digest) or not layers.exists(store, held, digest):
        return None
    layer = Layer(digest, store.layer(held, digest), record["size_bytes"], record["files"])
    return Made(recipe, layer, reused=True, notes=record["notes"])


def ensure(store: Store, held: str, recipe: Recipe, make: Make, *, anew: bool = False) -> Made:
    """Return the layer of a recipe, made if need be. Of several processes one makes it, the others wait.

    `anew` makes it even where it is there: the digest then shows whether the same bytes came out.
    """
    made = None if anew else find(store, held, recipe)
    if made is not None:
        return made
    with locks.holding(store, f"{held}-{recipe.key}"):
        made = None if anew else find(store, held, recipe)
        return made or _make(store, held, recipe, make)


def _make(store: Store, held: str, recipe: Recipe, make: Make) -> Made:
    with staging(store, recipe.name) as directory:
        entries, notes = make(directory)
        layer = layers.publish(store, held, f"{directory}/layer", entries)
    records.write(
        store,
        store.record(recipe.key),
        {
            "key": recipe.key,
            "recipe": recipe.canonical,
            "digest": layer.digest,
            "size_bytes": layer.size_bytes,
            "files": layer.files,
            "notes": dict(notes),
        },
    )
    return Made(recipe, layer, reused=False, notes=notes)
