"""Gathers what `rebuilt` needs from the store: recipes of layers that differ, packages of both sides."""

from envforge.compare import owners, rebuilt
from envforge.compare.differences import packages_of
from envforge.compare.rebuilt import Rebuilt, Sides
from envforge.compare.targets import Here, Target
from envforge.errors import NotFoundError


def reasons(here: Here, old: Target, new: Target, layer: str | None) -> tuple[Rebuilt, ...]:
    """Return what became of each layer, or of one, and why. Raises NotFoundError."""
    assert here.store is not None
    names = {one.name for one in (*old.layers, *new.layers)}
    if layer is not None and layer not in names:
        raise NotFoundError(
            f"there is no layer {layer!r}; the layers are {', '.join(sorted(names))}", hint="envforge show"
        )
    both = {one.key for one in old.layers} & {one.key for one in new.layers}
    differing = [one for one in (*old.layers, *new.layers) if one.key and one.key not in both]
    known = {one.key: owners.recipe_of(here.store, one) for one in differing}
    packages = {one.sha256: one for side in (old, new) for one in packages_of(side) or ()}
    found = rebuilt.reasons(Sides(known, packages, (old.layers, new.layers)))
    return tuple(one for one in found if layer in {None, one.layer})
