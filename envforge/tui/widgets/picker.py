"""Asks for one of several things: a list to choose from, and a line in which anything may be typed."""

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from envforge.tui.core.grid import Column, Grid, Row
from envforge.tui.widgets.key_bar import KeyBar
from envforge.tui.widgets.styles import titled
from envforge.tui.widgets.table import Table

_AROUND: Final = 8
"""Lines that are needed besides those of the list."""


class Picker(ModalScreen[str | None]):
    """Gives the key of the row that was chosen, or the text where `free` lets any pass; None: nothing.

    With `exact` a text that was typed is taken as it is, even if it finds a row.
    """

    AUTO_FOCUS = "Table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", "Cancel", id="picker.cancel"),
        Binding("down", "list", "To the list", show=False, id="picker.list"),
    ]

    def __init__(
        self,
        title: str,
        columns: Sequence[Column],
        rows: Sequence[Row],
        *,
        free: str = "",
        exact: bool = False,
    ) -> None:
        super().__init__()
        self._title, self._free, self._exact = title, free, exact
        self._grid = Grid(tuple(columns))
        self._grid.fill(rows)

    def compose(self) -> ComposeResult:
        """Compose line, list and keys."""
        is_long = len(self._grid.rows) > self.app.size.height - _AROUND
        with Vertical(id="dialog", classes="-large" if is_long else "-wide") as box:
            box.border_title = titled(self._title)
            yield Input(placeholder=self._free or "words to look for", id="picker-text", compact=True)
            table = Table(self._grid, id="picker", marks=False)
            if not is_long:
                table.styles.height = len(self._grid.rows) + 1
            yield table
        yield KeyBar()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow the list while one types."""
        self._grid.narrow(event.value)
        self.query_one(Table).changed()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what was typed, or the only row that is left."""
        if self._free and event.value.strip():
            is_found = self._grid.count == 1 and not self._exact
            self.dismiss(self._grid.cursor if is_found else event.value.strip())
        elif self._grid.count:
            self.dismiss(self._grid.cursor)

    def on_table_opened(self, event: Table.Opened) -> None:
        """Take the row."""
        event.stop()
        self.dismiss(event.key)

    def on_key(self, event: object) -> None:
        """Begin to type from the list with `/`."""
        if getattr(event, "key", "") == "slash":
            self.query_one(Input).focus()

    def action_list(self) -> None:
        """Go to the list."""
        self.query_one(Table).focus()

    def action_give_up(self) -> None:
        """Choose nothing."""
        self.dismiss(None)
