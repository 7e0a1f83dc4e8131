"""A panel of names and values."""

from collections.abc import Sequence
from typing import ClassVar

from rich.console import RenderableType
from rich.table import Table as Lines
from rich.text import Text

from envforge.tui.core.grid import Cell
from envforge.tui.core.words import printable
from envforge.tui.widgets.styles import CELL_CLASSES, Styled


class Facts(Styled):
    """Names at the left, values beside them; a fact without a name continues the one above, or is a title."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"facts--name", *CELL_CLASSES}

    def __init__(self, *, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._facts: tuple[tuple[str, Cell], ...] = ()

    def show(self, facts: Sequence[tuple[str, Cell]]) -> None:
        """Show other facts."""
        self._facts = tuple(facts)
        self.refresh(layout=True)

    @property
    def text(self) -> str:
        """Return all that is shown as plain text."""
        return "\n".join(f"{name}: {cell.text}" if name else cell.text for name, cell in self._facts)

    def render(self) -> RenderableType:
        """Draw names and values in two columns."""
        lines = Lines.grid(padding=(0, 2, 0, 0))
        lines.add_column(no_wrap=True, style=self.style_of("facts--name"))
        lines.add_column(overflow="fold")
        for name, cell in self._facts:
            lines.add_row(name, Text(printable(cell.text), style=self.cell_style(cell.style)))
        return lines
