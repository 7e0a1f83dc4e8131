"""Questions and texts over a screen: yes or no, all keys, what was done as commands."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from rich.console import RenderableType
from rich.table import Table as Lines
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from envforge.tui.core.grid import Cell
from envforge.tui.core.words import printable
from envforge.tui.widgets.key_bar import KeyBar
from envforge.tui.widgets.styles import CELL_CLASSES, Styled, titled

_Group = tuple[str, Sequence[tuple[str, str]]]
"""A heading, and keys with what they do."""
_KEYS_WIDTH: Final = 32
"""Cells that a column of keys needs."""
_AROUND: Final = 12
"""Lines that a question needs besides its text."""
_LINE_WIDTH: Final = 60
"""Cells of a line in the narrowest dialog."""


class Prose(Styled):
    """Lines of cells, each on a line of its own."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(CELL_CLASSES)

    def __init__(self, lines: Iterable[Cell] = (), *, id: str | None = None) -> None:  # noqa: A002 (Textual's)
        super().__init__(id=id)
        self._lines = tuple(lines)

    def show(self, lines: Iterable[Cell]) -> None:
        """Show other lines."""
        self._lines = tuple(lines)
        self.refresh(layout=True)

    @property
    def text(self) -> str:
        """Return the lines as plain text."""
        return "\n".join(line.text for line in self._lines)

    def render(self) -> RenderableType:
        """Draw the lines."""
        shown = [(printable(line.text), self.cell_style(line.style)) for line in self._lines]
        return Text("\n").join(Text(text, style) for text, style in shown)


def _size(lines: Sequence[Cell], room: int) -> str:
    """Return the class of a dialog of that many lines: a large one where they may not fit into `room`."""
    taken = sum(len(line.text) // _LINE_WIDTH + 1 for line in lines)
    return "-large" if taken > room else ""


class Confirm(ModalScreen[bool]):
    """A question; it says what will happen, and the command that does the same.

    Enter means no: what cannot be taken back wants a key of its own.
    """

    AUTO_FOCUS = "#no"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes"),
        Binding("n,escape,q", "answer(False)", "No", id="confirm.no"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="confirm.up"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="confirm.down"),
    ]

    def __init__(self, title: str, lines: Sequence[Cell], *, yes: str, command: str = "") -> None:
        super().__init__()
        self._title, self._lines, self._yes, self._command = title, lines, yes, command

    def compose(self) -> ComposeResult:
        """Compose the question, its answers, and the keys."""
        with Vertical(id="dialog", classes=_size(self._lines, self.app.size.height - _AROUND)) as box:
            box.border_title = titled(self._title)
            with VerticalScroll(id="dialog-text", can_focus=False):
                yield Prose(self._lines)
            if self._command:
                yield Static(Text(f"$ {printable(self._command)}"), id="dialog-command")
            with Horizontal(id="dialog-answers"):
                yield Button(f"{self._yes} (y)", id="yes", variant="primary", compact=True)
                yield Button("Cancel (n)", id="no", compact=True)
        yield KeyBar()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer by a click, or by enter."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:  # noqa: FBT001 (bindings pass it)
        """Answer by a key."""
        self.dismiss(yes)

    def action_scroll(self, by: int) -> None:
        """Scroll the text."""
        self.query_one("#dialog-text").scroll_relative(y=by, animate=False)


class Reading(ModalScreen[None]):
    """A text to read: help, a file, a failure."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "close", "Close", id="reading.close"),
        Binding("y", "copy", "Copy", id="reading.copy"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="reading.up"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="reading.down"),
        Binding("pageup", "scroll(-15)", "Page up", show=False, id="reading.page_up"),
        Binding("pagedown,space", "scroll(15)", "Page down", show=False, id="reading.page_down"),
    ]

    def __init__(self, title: str, lines: Sequence[Cell]) -> None:
        super().__init__()
        self._title, self._lines = title, lines

    def compose(self) -> ComposeResult:
        """Compose the text and the keys."""
        with Vertical(id="dialog", classes=_size(self._lines, self.app.size.height - _AROUND)) as box:
            box.border_title = titled(self._title)
            with VerticalScroll(id="dialog-text", can_focus=False):
                yield Prose(self._lines)
        yield KeyBar()

    def action_close(self) -> None:
        """Go back to the screen."""
        self.dismiss(None)

    def action_copy(self) -> None:
        """Copy the text to the terminal's clipboard."""
        self.app.copy_to_clipboard("\n".join(line.text for line in self._lines))
        self.app.notify("copied", timeout=2)

    def action_scroll(self, by: int) -> None:
        """Scroll the text."""
        self.query_one("#dialog-text").scroll_relative(y=by, animate=False)


class Help(Reading):
    """All keys of the screen below, by what they belong to."""

    def __init__(self, groups: Sequence[_Group]) -> None:
        super().__init__("Keys", [Cell(f"{key}\t{what}") for _, keys in groups for key, what in keys])
        self._groups = groups

    def compose(self) -> ComposeResult:
        """Compose a table of keys."""
        with Vertical(id="dialog", classes="-wide") as box:
            box.border_title = titled(self._title)
            with VerticalScroll(id="dialog-text", can_focus=False):
                yield Keys(self._groups)
        yield KeyBar()


class Keys(Styled):
    """Groups of keys and what they do."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(CELL_CLASSES)

    def __init__(self, groups: Sequence[_Group]) -> None:
        super().__init__()
        self._groups = groups

    def render(self) -> RenderableType:
        """Draw the groups, in as many columns as there is room for."""
        columns = spread(self._groups, max(self.size.width // _KEYS_WIDTH, 1))
        lines = Lines.grid(padding=(0, 3, 0, 0), expand=True)
        for _ in columns:
            lines.add_column(ratio=1)
        lines.add_row(*map(self._column, columns))
        return lines

    def _column(self, groups: Sequence[_Group]) -> Lines:
        """Return a heading a group, then its keys."""
        lines = Lines.grid(padding=(0, 2, 0, 0))
        lines.add_column(no_wrap=True, style=self.cell_style("accent"), min_width=12)
        lines.add_column()
        for number, (name, keys) in enumerate(groups):
            if number:
                lines.add_row("", "")
            lines.add_row(Text(name, self.cell_style("strong")), "")
            for key, what in keys:
                lines.add_row(key, what)
        return lines


def spread(groups: Sequence[_Group], columns: int) -> list[list[_Group]]:
    """Return the groups in at most so many columns, in their order, the longest as short as can be."""
    heights = [len(keys) + 2 for _, keys in groups]
    least = max(max(heights, default=0), -(-sum(heights) // columns))
    while True:
        found: list[list[_Group]] = [[]]
        filled = 0
        for group, height in zip(groups, heights, strict=True):
            if filled and filled + height > least:
                found.append([])
                filled = 0
            found[-1].append(group)
            filled += height
        if len(found) <= columns:
            return found
        least += 1
