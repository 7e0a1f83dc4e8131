"""The lines of a table as strips: what stands in each cell, in how much room, in which style."""

from collections.abc import Callable, Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from envforge.tui.core.grid import Cell, Column, cut
from envforge.tui.core.words import printable

GAP: Final = 2
"""Between two columns."""


def header(columns: Sequence[tuple[Column, int]], style: Style, marked: Style, sort: str) -> list[Segment]:
    """Return the headings. `sort` is the name of the column that rows are sorted by, and `▼` or `▲`."""
    name, sign = sort[:-1], sort[-1:]
    segments = [Segment(" ", style)]
    for position, (column, size) in enumerate(columns):
        is_sorted = bool(column.title) and column.name == name
        text = cut(f"{column.title} {sign}" if is_sorted else column.title, size)
        if position:
            segments.append(Segment(" " * GAP, style))
        padded = text.rjust(size) if column.right else text.ljust(size)
        segments.append(Segment(padded, style + marked if is_sorted else style))
    return segments


def row(
    columns: Sequence[tuple[Column, int]],
    cells: Sequence[Cell],
    style: Style,
    styled: Callable[[str], Style],
    *,
    begin: str,
) -> list[Segment]:
    """Return a row; `begin` is its first cell, `styled` gives the styles of cells by their names."""
    segments = [Segment(begin, style)]
    for position, ((column, size), cell) in enumerate(zip(columns, cells, strict=True)):
        if position:
            segments.append(Segment(" " * GAP, style))
        own = style + styled(cell.style) if cell.style else style
        segments.append(Segment(_fitted(cell.text, size, column), own))
    return segments


def whole(segments: list[Segment], width: int, style: Style) -> Strip:
    """Return a line that is exactly so wide."""
    return Strip(segments).adjust_cell_length(width, style)


def _fitted(text: str, size: int, column: Column) -> str:
    """Return a cell's text in exactly `size` cells, harmless to a terminal."""
    text = printable(text)
    if cell_len(text) == len(text):
        text = cut(text, size, keep_end=column.keep_end)
        return text.rjust(size) if column.right else text.ljust(size)
    return set_cell_size(text, size)
