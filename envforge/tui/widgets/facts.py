"""A panel of names and values."""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.console import RenderableType
from rich.table import Table as Lines
from rich.text import Text

from envforge.tui.core.grid import Cell
from envforge.tui.core.words import printable
from envforge.tui.widgets.styles import CELL_CLASSES, Styled

_PADDING: Final = 2


class Facts(Styled):
    """Names at the left, values beside them; a fact without a name continues the one above, or is a title."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"facts--name", *CELL_CLASSES}

    def __init__(self, *, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._facts: tuple[tuple[str, Cell], ...] = ()

    def show(self, facts: Sequence[tuple[str, Cell]]) -> None:
        """Show other facts. The screen is laid out anew only where there is no room for as many lines."""
        before = self._height()
        self._facts = tuple(facts)
        lines = self._height()
        self.refresh(layout=lines != before and max(before, lines) > self.container_size.height)

    def _height(self) -> int:
        """Return how many lines the facts take."""
        names = max((len(name) for name, _ in self._facts), default=0)
        width = max(self.size.width - names - 2 * _PADDING, 1)
        texts = (Text(printable(cell.text)) for _, cell in self._facts)
        return sum(len(text.wrap(self.app.console, width)) or 1 for text in texts)

    @property
    def text(self) -> str:
        """Return all that is shown as plain text."""
        return "\n".join(f"{name}: {cell.text}" if name else cell.text for name, cell in self._facts)

    def render(self) -> RenderableType:
        """Draw names and values in two columns."""
        lines = Lines.grid(padding=(0, _PADDING, 0, 0))
        lines.add_column(no_wrap=True, style=self.style_of("facts--name"))
        lines.add_column(overflow="fold")
        for name, cell in self._facts:
            lines.add_row(name, Text(printable(cell.text), style=self.cell_style(cell.style)))
        return lines
