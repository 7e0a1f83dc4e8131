"""Compares what two stacks of layers show, from their listings, as overlayfs would merge them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from envforge.compare.model import FileChange
from envforge.errors import StoreError
from envforge.store import listing
from envforge.store.merge import Shown
from envforge.values import define, field

_DIRECTORY: Final = b"d"
_OPAQUE: Final = b"o"
_FIELDS: Final = 10
_INSIDE: Final = {b"f": "content", b"l": "target"}


@define
class Stack:
    """Layers of one side, top to bottom."""

    names: Sequence[str]
    texts: Sequence[bytes] = field(repr=False)
    """Their listings."""
    notes: Sequence[str] = ()
    """What of them could not be looked at, in words."""

    @cached_property
    def indexes(self) -> list[dict[bytes, bytes]]:
        """Return each layer's lines by path."""
        return [listing.index(text) for text in self.texts]

    @cached_property
    def shown(self) -> Shown:
        """Return the merged view."""
        return self.over(Shown(), 0)

    def cover(self, name: str, text: bytes) -> None:
        """Put a layer on top."""
        self.names, self.texts = [name, *self.names], [text, *self.texts]
        self.indexes.insert(0, listing.index(text))

    def over(self, below: Shown, bottom: int) -> Shown:
        """Return the view of the layers above the lowest `bottom` ones, which `below` shows."""
        found = Shown(over=below)
        for index in reversed(self.indexes[: len(self.indexes) - bottom]):
            found.lay(index)
        return found

    def layer_of(self, path: bytes) -> str:
        """Return the name of the layer that a visible path comes from."""
        for name, index in zip(self.names, self.indexes, strict=True):
            if path in index:
                return name
        return ""


def changes(a: Stack, b: Stack) -> Iterator[FileChange]:
    """Yield the paths that differ, sorted. What only one side's opaque directories hide is no difference."""
    old, new = _views(a, b)
    for path in sorted(_candidates(old, new)):
        was, now = old.get(path), new.get(path)
        if was is None or now is None:
            yield FileChange(path, was, now, layer=(a if now is None else b).layer_of(path))
        elif causes := _causes(was, now):
            yield FileChange(path, was, now, causes, layer=b.layer_of(path))


def _views(a: Stack, b: Stack) -> tuple[Mapping[bytes, bytes], Mapping[bytes, bytes]]:
    """Return the lines that each side shows. Equal layers at the bottom are merged once."""
    bottom = _equal_from_below(a.texts, b.texts)
    if not bottom:
        return a.shown.lines, b.shown.lines
    below = Shown()
    for index in reversed(a.indexes[len(a.indexes) - bottom :]):
        below.lay(index)
    b.indexes[len(b.indexes) - bottom :] = a.indexes[len(a.indexes) - bottom :]
    return a.over(below, bottom).lines, b.over(below, bottom).lines


def _equal_from_below(a: Sequence[bytes], b: Sequence[bytes]) -> int:
    count = 0
    for one, other in zip(reversed(a), reversed(b), strict=False):
        if one is not other and one != other:
            break
        count += 1
    return count


def _candidates(old: Mapping[bytes, bytes], new: Mapping[bytes, bytes]) -> set[bytes]:
    found = old.keys() ^ new.keys()
    found |= {path for path, line in old.items() if new.get(path, line) != line}
    return found


def _causes(old: bytes, new: bytes) -> tuple[str, ...]:
    """Return what differs between two lines of a path, the gravest first."""
    was, now = old.split(b" "), new.split(b" ")
    if len(was) != _FIELDS or len(now) != _FIELDS:
        raise StoreError(f"a listing has a broken line: {old!r} or {new!r}", hint="envforge verify")
    kinds = {_DIRECTORY if fields[0] == _OPAQUE else fields[0] for fields in (was, now)}
    found = ["type"] if len(kinds) > 1 else []
    if not found and (was[5] != now[5] or was[6] != now[6]):
        found.append(_INSIDE.get(was[0], "device"))
    if was[1] != now[1]:
        found.append("mode")
    if was[2:4] != now[2:4]:
        found.append("owner")
    if was[8] != now[8]:
        found.append("attributes")
    if was[7] != now[7]:
        found.append("links")
    if was[4] != now[4]:
        found.append("time")
    return tuple(found)


def with_owners(found: Sequence[FileChange], owners: Mapping[bytes, tuple[str, str]]) -> list[FileChange]:
    """Return the changes with package and source of each path, as far as `owners` knows them."""
    return [
        FileChange(*one[:4], owners[one.path][0], one.layer, owners[one.path][1])
        if one.path in owners
        else one
        for one in found
    ]
