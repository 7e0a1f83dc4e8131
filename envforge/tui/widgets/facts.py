"""A panel of names and values, of which only what changed is drawn anew."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from envforge.tui.core.grid import Cell
from envforge.tui.core.words import printable
from envforge.tui.widgets.styles import CELL_CLASSES, Styled, titled

_GAP: Final = 2
_Line = tuple[str, str, str]
"""A name, a line of its value, and the name of the value's style."""


class Facts(ScrollView, Styled, can_focus=False):
    """Names at the left, values beside them; a fact without a name continues the one above, or is a title.

    It takes the focus, and so the keys that scroll, only where there is more than can be seen.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"facts--name", *CELL_CLASSES}

    def __init__(self, title: str, *, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self.add_class("pane", "side", "scroll")
        self._facts: tuple[tuple[str, Cell], ...] = ()
        self._lines: list[_Line] = []
        self._title = ""
        self.entitle(title)

    def show(self, facts: Sequence[tuple[str, Cell]]) -> None:
        """Show other facts."""
        self._facts = tuple(facts)
        before, self._lines = self._lines, self._wrapped()
        if self._names(before) != self._names(self._lines):
            self._measure()
            self.refresh()
            return
        self._measure()
        top, width = self.scroll_offset.y, self.size.width
        for place, (old, new) in enumerate(zip_longest(before, self._lines)):
            if old != new:
                self.refresh(Region(0, place - top, width, 1))

    def entitle(self, title: str) -> None:
        """Show another title."""
        if title != self._title:
            self._title = title
            self.scroll_to(y=0, animate=False)
            self._border_title = titled(title)  # by its public name the whole panel is drawn anew
            self.refresh(Region(-2, -1, self.outer_size.width, 1))

    @property
    def text(self) -> str:
        """Return all that is shown as plain text."""
        return "\n".join(f"{name}: {cell.text}" if name else cell.text for name, cell in self._facts)

    @staticmethod
    def _names(lines: Sequence[_Line]) -> int:
        """Return how wide the names are."""
        return max((len(name) for name, _, _ in lines), default=0)

    def _wrapped(self) -> list[_Line]:
        """Return the lines that the facts take."""
        names = max((len(name) for name, _ in self._facts), default=0)
        width = max(self.scrollable_content_region.width - names - _GAP, 1)
        lines = []
        for name, cell in self._facts:
            text = printable(cell.text)
            fits = text.isascii() and len(text) <= width
            parts = (
                [text] if fits else [one.plain for one in Text(text).wrap(self.app.console, width)] or [""]
            )
            names_of = [name, *[""] * (len(parts) - 1)]
            lines += [(begin, part, cell.style) for begin, part in zip(names_of, parts, strict=True)]
        return lines

    def _measure(self) -> None:
        region = self.scrollable_content_region
        self.can_focus = len(self._lines) > region.height
        # another size means another layout: where all can be seen it stays the same
        self.virtual_size = Size(region.width, len(self._lines) if self.can_focus else 1)

    def on_resize(self, _event: events.Resize) -> None:
        """Break the lines anew."""
        self._lines = self._wrapped()
        self._measure()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line: a name, and what belongs to it."""
        width, style = self.scrollable_content_region.width, self.own_style
        index = self.scroll_offset.y + y
        if index >= len(self._lines):
            return Strip.blank(width, style)
        name, text, value = self._lines[index]
        names = self._names(self._lines)
        segments = [Segment(text, style + self.cell_style(value))]
        if names:
            begin = f"{name.ljust(names)}{' ' * _GAP}"
            segments.insert(0, Segment(begin, style + self._name_style))
        return Strip(segments).adjust_cell_length(width, style)

    @property
    def _name_style(self) -> Style:
        return self.style_of("facts--name")
