"""A table that draws only the lines that can be seen, so a thousand rows cost what twenty do."""

from typing import ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from envforge.tui.core.grid import MARK, Cell, Column, Grid, Row, fitted
from envforge.tui.widgets import strips
from envforge.tui.widgets.styles import CELL_CLASSES, Styled

_SAMPLE: Final = 2000
"""Rows whose cells are measured for the width of a column."""


class Table(ScrollView, Styled, can_focus=True):
    """Rows and columns of a `Grid`, with a cursor, marks, sorting by a click on a heading."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--sorted",
        "table--cursor",
        "table--blurred",
        "table--marked",
        *CELL_CLASSES,
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="table.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="table.down"),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False, id="table.page_up"),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False, id="table.page_down"),
        Binding("home,g", "go(0)", "First line", show=False, id="table.first"),
        Binding("end,G", "go(-1)", "Last line", show=False, id="table.last"),
        Binding("space", "mark", "Mark", show=False, id="table.mark"),
        Binding("asterisk", "mark_all", "Mark all", show=False, id="table.mark_all"),
        Binding("s", "sort", "Sort by next column", show=False, id="table.sort"),
        Binding("S", "reverse", "Sort the other way", show=False, id="table.reverse"),
        Binding("enter", "open", "Open", show=False, id="table.open"),
    ]

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, table: "Table", key: str) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> "Table":
            """Return the table, for `on` selectors."""
            return self.table

    class Opened(Moved):
        """Enter, or a double click on a row."""

    class Marked(Moved):
        """A row was marked or unmarked."""

    def __init__(self, grid: Grid, *, id: str, marks: bool = True) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self.grid = grid
        self._marks = marks
        self._widths: tuple[tuple[int, int], ...] | None = None
        self._fitted_to = 0
        """The width that those were made for: a scroll bar that comes or goes changes it without a word."""
        self._told = ""

    # What is shown

    def fill(self, rows: "tuple[Row, ...]") -> None:
        """Show other rows."""
        self.grid.fill(rows)
        self.changed()

    def changed(self) -> None:
        """Draw anew after the grid was changed; tell where the cursor is now."""
        self._widths = None
        self._measure()
        self._follow()
        self.refresh()
        self._tell()

    def count(self) -> int:
        """Return how many lines there are."""
        return self.grid.count

    def line(self, index: int) -> Row:
        """Return one of the lines."""
        return self.grid.row(index)

    def cursor_index(self) -> int:
        """Return the line that the cursor is on."""
        return self.grid.index()

    def put_cursor(self, index: int) -> None:
        """Move the cursor."""
        self.grid.move(index)

    def columns(self) -> tuple[Column, ...]:
        """Return the columns."""
        return self.grid.columns

    def _measure(self) -> None:
        self.virtual_size = Size(self.size.width, self.count() + 1)

    def widths(self) -> tuple[tuple[int, int], ...]:
        """Return the columns that fit, each with its width."""
        width = self.scrollable_content_region.width
        if self._widths is None or self._fitted_to != width:
            self._widths, self._fitted_to = fitted(self.columns(), width - 2, self.widest), width
        return self._widths

    def widest(self, column: int) -> int:
        """Return the width of the widest cell of a column."""
        rows = self.grid.rows[:_SAMPLE]
        return max((len(row.cells[column].text) for row in rows), default=0)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the keys of marks to the screen where nothing is marked here."""
        del parameters
        return self._marks or not action.startswith("mark")

    # Drawing

    def render_line(self, y: int) -> Strip:
        """Draw one line: the header, a row, or nothing."""
        width = self.scrollable_content_region.width
        if y == 0:
            return self._header(width)
        index = self.scroll_offset.y + y - 1
        if index >= self.count():
            return Strip.blank(width, self.own_style)
        return self._row(index, width)

    def _fitting(self) -> list[tuple[Column, int]]:
        return [(self.columns()[place], size) for place, size in self.widths()]

    def _header(self, width: int) -> Strip:
        style = self.own_style + self.style_of("table--header")
        sort = f"{self.grid.sort}{'▼' if self.grid.descending else '▲'}"
        return strips.whole(
            strips.header(self._fitting(), style, self.style_of("table--sorted"), sort), width, style
        )

    def _row(self, index: int, width: int) -> Strip:
        row = self.line(index)
        is_cursor = index == self.cursor_index()
        is_marked = row.key in self.grid.marks
        style = self.own_style
        if is_marked:
            style += self.style_of("table--marked")
        if is_cursor:
            style += self.style_of("table--cursor" if self.has_focus else "table--blurred")
        mark = Cell("✓" if is_marked else " ", "accent")
        cells = [
            mark if self.columns()[place].name == MARK else row.cells[place] for place, _ in self.widths()
        ]
        begin = "▌" if is_cursor and self.has_focus else " "
        found = strips.row(self._fitting(), cells, style, self.cell_style, begin=begin)
        return strips.whole(found, width, style)

    # Moving

    def on_resize(self, _event: events.Resize) -> None:
        """Fit the columns anew."""
        self._widths = None
        self._measure()
        self._follow()

    def _follow(self) -> None:
        """Scroll so that the cursor can be seen, below the header."""
        height = max(self.size.height - 1, 1)
        index, top = self.cursor_index(), self.scroll_offset.y
        if index < top:
            self.scroll_to(y=index, animate=False, force=True)
        elif index >= top + height:
            self.scroll_to(y=index - height + 1, animate=False, force=True)

    def _tell(self) -> None:
        key = self.line(self.cursor_index()).key if self.count() else ""
        if key != self._told:
            self._told = key
            self.post_message(self.Moved(self, key))

    def _go(self, index: int) -> None:
        before = self.cursor_index()
        self.put_cursor(index)
        self._refresh_row(before)
        self._refresh_row(self.cursor_index())
        self._follow()
        self._tell()

    def _refresh_row(self, index: int) -> None:
        y = index - self.scroll_offset.y + 1
        self.refresh(Region(0, y, self.size.width, 1))

    def action_move(self, by: int) -> None:
        """Move the cursor by so many lines."""
        self._go(self.cursor_index() + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by a screenful."""
        self._go(self.cursor_index() + by * max(self.size.height - 2, 1))

    def action_go(self, index: int) -> None:
        """Move the cursor to a line; -1 is the last one."""
        self._go(index if index >= 0 else self.count() - 1)

    def action_mark(self) -> None:
        """Mark the row, and go on to the next one."""
        if self._marks and self.count():
            self.grid.mark(self.line(self.cursor_index()).key)
            self.post_message(self.Marked(self, self._told))
            self._go(self.cursor_index() + 1)

    def action_mark_all(self) -> None:
        """Mark all that is shown, or nothing."""
        if self._marks:
            self.grid.mark_shown()
            self.post_message(self.Marked(self, self._told))
            self.refresh()

    def action_sort(self) -> None:
        """Sort by the next column."""
        names = ["", *(one.name for one in self.columns() if one.title)]
        at = names.index(self.grid.sort) if self.grid.sort in names else 0
        name = names[(at + 1) % len(names)]
        if name:
            self.grid.order(name)
        else:
            self.grid.sort = ""
            self.grid.fill(self.grid.rows)
        self.changed()

    def action_reverse(self) -> None:
        """Sort the other way round."""
        if self.grid.sort:
            self.grid.reverse()
            self.changed()

    def action_open(self) -> None:
        """Open the row under the cursor."""
        if self.count():
            self.post_message(self.Opened(self, self.line(self.cursor_index()).key))

    def on_click(self, event: events.Click) -> None:
        """Sort by a heading, move to a row, open it on a double click."""
        place = event.get_content_offset(self)
        if place is None:
            return
        if place.y == 0:
            name = self._heading_at(place.x)
            if name:
                self.grid.order(name)
                self.changed()
            return
        index = self.scroll_offset.y + place.y - 1
        if index < self.count():
            self._go(index)
            if event.chain > 1:
                self.action_open()

    def _heading_at(self, x: int) -> str:
        left = 1
        for place, size in self.widths():
            if left <= x < left + size:
                column = self.columns()[place]
                return column.name if column.title else ""
            left += size + strips.GAP
        return ""

    def on_focus(self) -> None:
        """Draw the cursor as one that moves."""
        self.refresh()

    def on_blur(self) -> None:
        """Draw the cursor as one that stands."""
        self.refresh()
