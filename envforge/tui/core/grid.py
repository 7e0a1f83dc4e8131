"""A table's state: rows, sorting, filter, marks and cursor; and which columns fit into a width."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from attrs import define, field, frozen

MARK: Final = "mark"
"""The name of the column that shows what is marked."""


@frozen
class Column:
    """One column."""

    name: str
    title: str
    width: int
    """Cells that it has at least; the widest value makes it wider, up to `most`."""
    most: int = 0
    """0: never wider than `width`."""
    right: bool = False
    """Numbers stand at the right edge."""
    stretch: bool = False
    """Takes the room that is left over."""
    rank: int = 0
    """Where there is no room, those of the highest rank go first; rank 0 always stays."""
    keep_end: bool = False
    """What is too long loses its beginning: paths."""


@frozen
class Cell:
    """Text with the name of a style: what it means, never a colour."""

    text: str
    style: str = ""


@frozen
class Row:
    """One line of a table."""

    key: str
    cells: tuple[Cell, ...]
    """In the order of the columns."""
    values: tuple[Any, ...] = ()
    """What each column sorts by; the text of its cell where there is none."""
    dim: bool = False

    def value(self, index: int) -> Any:
        """Return what a column sorts this row by."""
        return self.values[index] if self.values else self.cells[index].text.casefold()

    def has(self, text: str) -> bool:
        """Return whether any cell has the text, upper or lower case."""
        return any(text in cell.text.casefold() for cell in self.cells)


@define
class Grid:
    """A table: what is in it, and what its user has made of it."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...] = ()
    sort: str = ""
    """The column's name; empty: the order that the rows came in."""
    descending: bool = False
    filter: str = ""
    marks: set[str] = field(factory=set)
    cursor: str = ""
    """The key of the row that the cursor is on."""
    _shown: tuple[Row, ...] | None = None
    _places: dict[str, int] = field(factory=dict)

    def fill(self, rows: Sequence[Row]) -> None:
        """Take other rows; cursor and marks stay on rows that are still there."""
        self.rows = tuple(rows)
        self.marks &= {row.key for row in rows}
        self._shown = None
        self.hold()

    def shown(self) -> tuple[Row, ...]:
        """Return the rows that the filter lets through, sorted."""
        if self._shown is None:
            words = self.filter.casefold().split()
            found = [row for row in self.rows if all(map(row.has, words))]
            if self.sort:
                index = self.column(self.sort)
                found.sort(key=lambda row: row.value(index), reverse=self.descending)
            self._shown = tuple(found)
            self._places = {row.key: place for place, row in enumerate(found)}
        return self._shown

    @property
    def count(self) -> int:
        """Return how many rows are shown."""
        return len(self.shown())

    def row(self, index: int) -> Row:
        """Return a row that is shown."""
        return self.shown()[index]

    def index(self) -> int:
        """Return where the cursor is, 0 where its row is not shown."""
        self.shown()
        return self._places.get(self.cursor, 0)

    def move(self, index: int) -> None:
        """Put the cursor on the nearest row there is."""
        if self.count:
            self.cursor = self.row(max(0, min(index, self.count - 1))).key

    def hold(self) -> None:
        """Put the cursor on the first row, if its own is not shown."""
        self.shown()
        if self.cursor not in self._places and self._shown:
            self.cursor = self._shown[0].key

    def narrow(self, text: str) -> None:
        """Show the rows that have each of the words."""
        self.filter = text
        self._shown = None
        self.hold()

    def order(self, name: str) -> None:
        """Sort by a column; by the one that it is sorted by already: the other way round."""
        if name == self.sort:
            self.descending = not self.descending
        else:
            self.sort = name
            self.descending = self.columns[self.column(name)].right  # the largest numbers first
        self._shown = None

    def reverse(self) -> None:
        """Sort the other way round."""
        self.descending = not self.descending
        self._shown = None

    def mark(self, key: str) -> None:
        """Mark a row, or take its mark away."""
        self.marks ^= {key}

    def mark_shown(self) -> None:
        """Mark all rows that are shown; where all are marked, none."""
        keys = {row.key for row in self.shown()}
        self.marks = self.marks - keys if keys <= self.marks else self.marks | keys

    def chosen(self) -> tuple[str, ...]:
        """Return the keys that an action is about: the marked ones in their order, else the cursor's."""
        marked = tuple(row.key for row in self.rows if row.key in self.marks)
        return marked or ((self.cursor,) if self.cursor in self._places else ())

    def column(self, name: str) -> int:
        """Return a column's index; the first one's for a name that there is not."""
        return next((place for place, one in enumerate(self.columns) if one.name == name), 0)


def fitted(
    columns: Sequence[Column], width: int, widest: Callable[[int], int], *, gap: int = 2
) -> tuple[tuple[int, int], ...]:
    """Return (column's index, its width) for the columns that fit side by side into `width` cells.

    `widest` gives the widest value of a column. What is left over goes to the columns that stretch.
    """
    kept = list(range(len(columns)))
    sizes = {place: _size(columns[place], widest(place)) for place in kept}
    least = {place: one.width if one.stretch else sizes[place] for place, one in enumerate(columns)}
    while len(kept) > 1 and sum(least[place] for place in kept) + gap * (len(kept) - 1) > width:
        last = max(kept, key=lambda place: (columns[place].rank, place))
        if not columns[last].rank:
            break
        kept.remove(last)
    left = width - sum(least[place] for place in kept) - gap * (len(kept) - 1)
    stretching = [place for place in kept if columns[place].stretch]
    found = {place: least[place] for place in kept}
    for position, place in enumerate(stretching):
        more = left // (len(stretching) - position) if left > 0 else 0
        wanted = max(widest(place) - least[place], 0)
        taken = more if position == len(stretching) - 1 else min(more, wanted)
        found[place] += taken
        left -= taken
    return tuple((place, max(1, min(found[place], width))) for place in kept)


def _size(column: Column, widest: int) -> int:
    room = max(column.width, len(column.title) + (2 if column.title else 0))
    return max(room, min(widest, column.most)) if column.most else room


def cut(text: str, width: int, *, keep_end: bool = False) -> str:
    """Return text that is no longer than `width`, with an ellipsis where something was cut."""
    if len(text) <= width:
        return text
    return f"…{text[len(text) - width + 1 :]}" if keep_end else f"{text[: width - 1]}…"
