"""Why a layer was built anew: the first field in which two recipes differ, in words. Pure.

Fields are looked at from causes to consequences: what packages there are comes before the layers below, whose
keys change with everything in them, and the epoch, which follows from the packages.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from attrs import frozen

from envforge.compare.sides import LayerName
from envforge.sources.interface import Package

_ORDER: Final = ("recipe", "kind", "packages", "configure", "awaited", "registered", "unpack", "triggers",
                 "file", "target", "files", "mode", "strip", "below", "lower", "epoch")  # fmt: skip
_NAMED_MAX: Final = 6
Recipe = Mapping[str, Any]


@frozen
class Rebuilt:
    """What became of one layer, and why."""

    layer: str
    old: LayerName | None
    new: LayerName | None
    field: str
    """The first field that differs; empty where none does, or a recipe is not known."""
    reason: str
    """In words."""

    @property
    def same(self) -> bool:
        """Return whether the layer is the one of before."""
        return self.old is not None and self.new is not None and self.old.digest == self.new.digest


@frozen
class Sides:
    """What reasons are found in: recipes by key, and the packages of both sides by SHA-256."""

    recipes: Mapping[str, Recipe]
    packages: Mapping[str, Package]
    layers: tuple[Sequence[LayerName], Sequence[LayerName]]


_Words = Callable[[Sides, Any, Any], str]


def reasons(sides: Sides) -> tuple[Rebuilt, ...]:
    """Return for each layer of either side what became of it and why, top to bottom."""
    old, new = ({layer.name: layer for layer in layers} for layers in sides.layers)
    names = dict.fromkeys([layer.name for layer in (*sides.layers[1], *sides.layers[0])])
    return tuple(_rebuilt(sides, name, old.get(name), new.get(name)) for name in names)


def _rebuilt(sides: Sides, name: str, old: LayerName | None, new: LayerName | None) -> Rebuilt:
    if old is None:
        return Rebuilt(name, old, new, "", "it is new: there was no such layer before")
    if new is None:
        return Rebuilt(name, old, new, "", "it is gone: nothing needs such a layer any more")
    if old.digest == new.digest:
        how = "" if old.key == new.key else ", though its recipe is another one: it gave the same bytes"
        return Rebuilt(name, old, new, "", f"it is the same{how}")
    if old.key == new.key:
        words = "the same recipe gave other bytes; `envforge verify` names the files that differ"
        return Rebuilt(name, old, new, "", words)
    field, words = _difference(sides, sides.recipes.get(old.key), sides.recipes.get(new.key))
    return Rebuilt(name, old, new, field, words)


def _difference(sides: Sides, then: Recipe | None, now: Recipe | None) -> tuple[str, str]:
    """Return the first field that differs, and how in words."""
    if not then or not now:
        return "", "the store has no recipe of it any more"
    for field in (*_ORDER, *sorted((then.keys() | now.keys()) - set(_ORDER))):
        old, new = then.get(field), now.get(field)
        if old != new:
            return field, _WORDS[field](
                sides, old, new
            ) if field in _WORDS else f"{field} differs: {old} -> {new}"
    return "", "its recipes are equal"


def _packages(sides: Sides, old: Sequence[Any] | None, new: Sequence[Any] | None) -> str:
    known, before, after = sides.packages, _by_hash(old or ()), _by_hash(new or ())
    gone = {_name(known, sha256): sha256 for sha256 in before if sha256 not in after}
    come = {_name(known, sha256): sha256 for sha256 in after if sha256 not in before}
    parts = [
        f"{name} {_version(known, gone[name])} -> {_version(known, come[name])}" if name in gone
        else f"+ {name} {_version(known, come[name])}".rstrip()
        for name in sorted(come)
    ]  # fmt: skip
    parts += [
        f"- {name} {_version(known, gone[name])}".rstrip() for name in sorted(gone.keys() - come.keys())
    ]
    if not parts:
        parts = [
            f"{_name(known, sha256)} is {after[sha256]} now"
            for sha256 in after
            if before.get(sha256, after[sha256]) != after[sha256]
        ]
    return f"its packages differ: {_shortened(parts)}" if parts else "its packages come in another order"


def _by_hash(values: Sequence[Any]) -> dict[str, str]:
    """Return the mark of each package by SHA-256; recipes have them with a mark or without."""
    return {
        str(one if isinstance(one, str) else one[0]): "" if isinstance(one, str) else str(one[1])
        for one in values
    }


def _name(known: Mapping[str, Package], sha256: str) -> str:
    return known[sha256].name if sha256 in known else sha256[:12]


def _version(known: Mapping[str, Package], sha256: str) -> str:
    return known[sha256].version if sha256 in known else ""


def _named(known: Mapping[str, Package], sha256: object) -> str:
    text = str(sha256)
    return f"{_name(known, text)} {_version(known, text)}".strip()


def _names(what: str) -> _Words:
    return lambda _sides, old, new: f"what is {what} differs: {_lists(old or (), new or ())}"


def _lists(old: Sequence[Any], new: Sequence[Any]) -> str:
    parts = [f"+ {one}" for one in new if one not in old] + [f"- {one}" for one in old if one not in new]
    return _shortened(parts) or "their order"


def _pairs(awaited: Mapping[str, Sequence[str]] | None) -> list[str]:
    return [f"{name} after {other}" for name, others in (awaited or {}).items() for other in others]


def _lower(sides: Sides, old: Sequence[Any] | None, new: Sequence[Any] | None) -> str:
    """Say which layers below are others; a key that no layer of the environment has was only built on."""
    old, new = old or (), new or ()
    names = [{layer.key: layer.name for layer in layers} for layers in sides.layers]
    gone = [names[0].get(str(key), "one that is only built on") for key in old if key not in new]
    come = [names[1].get(str(key), "one that is only built on") for key in new if key not in old]
    changed = [name for name in come if name in gone]
    parts = [*changed, *(f"+ {name}" for name in come if name not in gone)]
    parts += [f"- {name}" for name in gone if name not in come]
    return f"layers below it differ: {_shortened(parts) or 'their order'}"


def _files(_sides: Sides, old: Sequence[Any] | None, new: Sequence[Any] | None) -> str:
    before, after = ({str(one[0]): one for one in side or ()} for side in (old, new))
    parts = [f"{'~' if path in before else '+'} {path}" for path in after if before.get(path) != after[path]]
    parts += [f"- {path}" for path in before if path not in after]
    return f"the project's files differ: {_shortened(parts) or 'their order'}"


def _shortened(parts: Sequence[str]) -> str:
    more = len(parts) - _NAMED_MAX
    return ", ".join([*parts[:_NAMED_MAX], *([f"{more} more"] if more > 0 else [])])


def _day(seconds: object) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}" if isinstance(seconds, int) else str(seconds)


_WORDS: Final[Mapping[str, _Words]] = {
    "recipe": lambda _sides, old, new: f"this release builds by another recipe format: {old} -> {new}",
    "packages": _packages,
    "configure": _names("configured here"),
    "awaited": lambda _sides, old, new: (
        f"the order of configuring differs: {_lists(_pairs(old), _pairs(new))}"
    ),
    "registered": _names("told debconf besides"),
    "unpack": _names("unpacked by dpkg itself"),
    "triggers": _names("triggered"),
    "lower": _lower,
    "file": lambda sides, old, new: (
        f"another file was fetched: {_named(sides.packages, old)} -> {_named(sides.packages, new)}"
    ),
    "files": _files,
    "below": lambda _sides, _old, _new: "directories or links around its target differ in the layers below",
    "epoch": lambda _sides, old, new: f"the newest file in its packages is of {_day(old)} -> {_day(new)}",
}
