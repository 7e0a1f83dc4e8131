"""What was done so far, as the commands that do the same: to learn them, and to copy them."""

import time
from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from envforge.tui.core.grid import Cell, Column, Grid, Row
from envforge.tui.core.jobs import Done
from envforge.tui.widgets.dialogs import Prose
from envforge.tui.widgets.key_bar import KeyBar
from envforge.tui.widgets.table import Table

_COLUMNS: Final = (
    Column("at", "AT", 8),
    Column("state", "", 9),
    Column("command", "COMMAND", 30, stretch=True, keep_end=True),
)
_STYLES: Final = {"done": "good", "failed": "bad", "cancelled": "warn", "running": "accent"}
_AROUND: Final = 8
"""Lines that are needed besides those of the list."""
_NOTHING: Final = (
    Cell("Nothing was done yet", "strong"),
    Cell(""),
    Cell("Whatever you do here stands in this list, as the command that does the same in a terminal."),
)


class CommandLog(ModalScreen[None]):
    """The last commands, the newest at the bottom."""

    AUTO_FOCUS = "Table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,o", "close", "Close", id="log.close"),
        Binding("y,enter", "copy", "Copy", key_display="y", id="log.copy"),
        Binding("Y", "copy_all", "Copy all", id="log.copy_all"),
    ]

    def __init__(self, done: Sequence[Done]) -> None:
        super().__init__()
        self._done = tuple(done)

    def compose(self) -> ComposeResult:
        """Compose the list and the keys."""
        rows = tuple(
            Row(
                str(at),
                (
                    Cell(time.strftime("%H:%M:%S", time.localtime(one.at)), "dim"),
                    Cell(one.now, _STYLES.get(one.now, "")),
                    Cell(one.command),
                ),
            )
            for at, one in enumerate(self._done)
        )
        grid = Grid(_COLUMNS)
        grid.fill(rows)
        if rows:
            grid.cursor = rows[-1].key
        is_long = len(rows) > self.app.size.height - _AROUND
        with Vertical(id="dialog", classes="-large" if is_long else "-wide") as box:
            box.border_title = "What was done here, as commands"
            if rows:
                table = Table(grid, id="log", marks=False)
                if not is_long:
                    table.styles.height = len(rows) + 1
                yield table
            else:
                yield Prose(_NOTHING)
        yield KeyBar()

    def on_table_opened(self, event: Table.Opened) -> None:
        """Copy the command under the cursor."""
        event.stop()
        self.action_copy()

    def action_close(self) -> None:
        """Go back to the screen."""
        self.dismiss(None)

    def action_copy(self) -> None:
        """Copy the command under the cursor."""
        cursor = self.query_one(Table).grid.cursor if self._done else ""
        if cursor:
            self.app.copy_to_clipboard(self._done[int(cursor)].command)
            self.app.notify("copied", timeout=2)

    def action_copy_all(self) -> None:
        """Copy all of them, a line each."""
        if self._done:
            self.app.copy_to_clipboard("\n".join(one.command for one in self._done))
            self.app.notify("copied", timeout=2)
