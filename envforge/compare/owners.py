"""Finds the packages that paths come from: by the listings of their trees, and by the layers' recipes.

A path that no package ships was written while packages were configured, or by the project itself: then only
its layer and source are known.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from envforge.compare.sides import UPPER, LayerName
from envforge.digest import is_sha256
from envforge.sources import registry
from envforge.sources.interface import Package
from envforge.store import layers, listing, records
from envforge.store.layout import Store

_BETWEEN: Final = " + "
_SHOWN_MAX: Final = 3
"""Of several packages that ship a path: most are directories, which hundreds share."""


def source_of(layer: str) -> str:
    """Return the source that a layer of that name comes from: `fetch` of `fetch-1`, else the lowest one.

    Empty for what lies over all layers, in a container.
    """
    if layer == UPPER:
        return ""
    known = {source.name for source in registry.LOCKED[1:]} | {source.name for source in registry.LOCAL}
    name = layer.rpartition("-")[0] if layer.rpartition("-")[2].isdecimal() else layer
    return name if name in known else registry.LOCKED[0].name


def by_trees(
    store: Store, packages: Iterable[Package], wanted: Collection[bytes]
) -> dict[bytes, list[Package]]:
    """Return the packages whose archives ship each of the wanted paths."""
    escaped = {listing.escape(path): path for path in wanted}
    found: dict[bytes, list[Package]] = {}
    for package in packages:
        text = layers.tree_listing(store, package.sha256) if is_sha256(package.sha256) else None
        for path in _shipped(text or b"", escaped):
            found.setdefault(path, []).append(package)
    return found


def _shipped(text: bytes, escaped: Mapping[bytes, bytes]) -> Iterator[bytes]:
    """Yield the paths of a listing that are wanted. Searching beats splitting for a few of them."""
    if len(escaped) <= _SHOWN_MAX:
        for name, path in escaped.items():
            if b" " + name + b"\n" in text:
                yield path
        return
    for line in text.split(b"\n"):
        path_or_none = escaped.get(line[line.rfind(b" ") + 1 :])
        if path_or_none is not None:
            yield path_or_none


def by_recipes(store: Store, names: Sequence[LayerName], packages: Sequence[Package]) -> dict[str, Package]:
    """Return, by the layer's name, the package that all of a layer is of: of one fetched file, say."""
    lowest = registry.LOCKED[0].name
    known = {package.sha256: package for package in packages if package.source != lowest}
    found = {}
    for layer in names:
        if known and source_of(layer.name) != lowest:
            for value in recipe_of(store, layer).values():
                if isinstance(value, str) and value in known:
                    found[layer.name] = known[value]
    return found


def recipe_of(store: Store, layer: LayerName) -> Mapping[str, Any]:
    """Return a layer's recipe, empty where the store has none."""
    record = records.read(store.record(layer.key)) if layer.key else None
    recipe = record.get("recipe") if record else None
    return recipe if isinstance(recipe, dict) else {}


def owners(
    store: Store,
    names: Sequence[LayerName],
    packages: Sequence[Package],
    wanted: Mapping[bytes, str],
) -> dict[bytes, tuple[str, str]]:
    """Return package and source of paths; `wanted` names the layer that shows each one."""
    lowest = registry.LOCKED[0].name
    whole = by_recipes(store, names, packages)
    sources = {layer: source_of(layer) for layer in set(wanted.values())}
    below = {path for path, layer in wanted.items() if sources[layer] in {lowest, ""}}
    shipped = by_trees(store, packages, below) if below else {}
    found = {}
    for path, layer in wanted.items():
        if layer in whole:
            found[path] = (whole[layer].name, whole[layer].source)
        else:
            owner = _named(shipped.get(path, ())) or _about(path, packages)
            found[path] = (owner, sources[layer] or (lowest if owner else ""))
    return found


def _about(path: bytes, packages: Sequence[Package]) -> str:
    """Return the package whose entry in its source's database a path is."""
    name = registry.LOCKED[0].about(path)
    known = {package.name for package in packages} if name else frozenset()
    return next((one for one in (name, name.partition(":")[0]) if one in known), "")


def _named(packages: Sequence[Package]) -> str:
    names = sorted({package.name for package in packages})
    if len(names) > _SHOWN_MAX:
        names = [*names[:_SHOWN_MAX], f"{len(names) - _SHOWN_MAX} more"]
    return _BETWEEN.join(names)
