"""Marks what each root reaches. Pure, but for the documents, which it is given something to read with."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from envforge.upkeep.documents import Names
from envforge.upkeep.model import Kind, Marked, Root, Thing, Things, set_of

Read = Callable[[str, str], Names]
"""Returns what the document of a folder (`environments`, `records`) and name names."""

_DOCUMENTS = (Kind.ENVIRONMENT, Kind.RECORD)


def mark(things: Sequence[Thing], roots: Sequence[Root], read: Read) -> Marked:
    """Return which of the things each root reaches."""
    index = Index(things, read)
    return Marked(tuple(things), tuple(roots), tuple(index.reached(root.keeps) for root in roots))


class Index:
    """Things by their names, to follow names from root to root."""

    def __init__(self, things: Sequence[Thing], read: Read) -> None:
        self._count = len(things)
        self._read = read
        self._places: dict[str, list[int]] = {}
        self._layers: dict[str, list[int]] = {}
        self._documents: dict[str, list[str]] = {}
        self._direct: dict[tuple[str, str], tuple[Things, tuple[str, ...]]] = {}
        for place, one in enumerate(things):
            by_name = self._layers if one.kind is Kind.LAYER else self._places
            by_name.setdefault(one.name, []).append(place)
            if one.kind in _DOCUMENTS:
                self._documents.setdefault(one.name, []).append(one.kind)

    def reached(self, names: Sequence[str]) -> Things:
        """Return what these names keep: what has them, layers too, and all that is named there in turn."""
        found = self._set_of(names, names)
        waiting = [name for name in names if name in self._documents]
        seen = set(waiting)
        while waiting:
            name = waiting.pop()
            for folder in self._documents[name]:
                things, further = self._named_by(folder, name)
                found |= things
                new = [one for one in further if one not in seen]
                seen.update(new)
                waiting += new
        return found

    def add_document(self, folder: str, name: str) -> None:
        """Follow a document, too, that came into the store after the things were listed."""
        known = self._documents.setdefault(name, [])
        if folder not in known:
            known.append(folder)
            self._direct.clear()  # who names it was read without knowing that it is a document

    def _named_by(self, folder: str, name: str) -> tuple[Things, tuple[str, ...]]:
        """Return what a document names: the things, and the further documents among the names."""
        known = self._direct.get((folder, name))
        if known is None:
            said = self._read(folder, name)
            things = self._set_of(said.names, said.layers)
            known = (things, tuple(one for one in said.names if one in self._documents))
            self._direct[folder, name] = known
        return known

    def _set_of(self, names: Iterable[str], layers: Iterable[str]) -> Things:
        """Return the things of these names: layers of the one kind, all others of the other."""
        places = (self._places.get(name, ()) for name in names)
        below = (self._layers.get(name, ()) for name in layers)
        return set_of(chain(chain.from_iterable(places), chain.from_iterable(below)), self._count)
