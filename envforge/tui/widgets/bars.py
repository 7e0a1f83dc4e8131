"""The lines at the top and the bottom: which screen this is; what is going on, and the last command."""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.console import RenderableType
from rich.text import Text
from textual import events
from textual.message import Message

from envforge.tui.core.words import printable
from envforge.tui.widgets.styles import CELL_CLASSES, Styled

_SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
INTERVAL_S: Final = 0.1
_BRIEF_MAX: Final = 10
_SHORT: Final = 6
_BRIEF: Final = {"environments": "envs"}
_SHORTER: Final = {"packages": "pkgs", "containers": "conts"}
"""What long names are called where there is no room for them, and where there is still less."""


class Tabs(Styled):
    """The screens with their keys, the one that is shown marked; at the right what it is about."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"tabs--here", "tabs--key", "tabs--product", *CELL_CLASSES}

    class Chosen(Message):
        """A screen was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, names: Sequence[str], here: str) -> None:
        super().__init__(id="tabs")
        self._names, self._here = tuple(names), here
        self._about = ""
        self._places: list[tuple[int, int, str]] = []

    def about(self, text: str) -> None:
        """Say at the right which environment the screens are about."""
        if text != self._about:
            self._about = text
            self.refresh()

    def render(self) -> RenderableType:
        """Draw as much as fits: without the product's name, then with short names, where it is narrow."""
        width = self.size.width
        for product, length in ((True, 99), (False, 99), (False, _BRIEF_MAX), (False, _SHORT), (False, 3)):
            line = self._line(length, product=product)
            if line.cell_len + len(self._about) + 3 <= width:
                break
        about = printable(self._about)
        room = width - line.cell_len - 2
        if about and room > 8:
            shown = about if len(about) <= room else f"…{about[len(about) - room + 1 :]}"
            line.append(" " * (width - line.cell_len - len(shown) - 1))
            line.append(shown, self.cell_style("accent"))
        return line

    def _line(self, length: int, *, product: bool) -> Text:
        line = Text(no_wrap=True, end="")
        if product:
            line.append(" envforge ", self.style_of("tabs--product"))
        self._places = []
        for number, name in enumerate(self._names, 1):
            start = line.cell_len
            here = name == self._here
            style = self.style_of("tabs--here") if here else ""
            line.append(f" {number}", style if here else self.style_of("tabs--key"))
            shown = _BRIEF.get(name, name) if length <= _BRIEF_MAX else name
            shown = _SHORTER.get(name, shown) if length <= _SHORT else shown
            line.append(f" {shown.capitalize()[:length]} ", style)
            self._places.append((start, line.cell_len, name))
        return line

    def on_click(self, event: events.Click) -> None:
        """Go to the screen that was clicked."""
        for start, end, name in self._places:
            if start <= event.x < end:
                self.post_message(self.Chosen(name))


class Status(Styled):
    """One line: at the left what the screen says, at the right what is going on."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(CELL_CLASSES)

    def __init__(self) -> None:
        super().__init__(id="status")
        self._left, self._right = "", ""
        self._ticks = 0

    def say(self, text: str) -> None:
        """Say something of the screen."""
        if text != self._left:
            self._left = text
            self.refresh()

    def going(self, text: str) -> None:
        """Say what is going on, with a spinner; nothing: all is done."""
        if text:
            self._ticks += 1
        if text or self._right:
            self._right = text
            self.refresh()

    @property
    def text(self) -> str:
        """Return what the line says."""
        return f"{self._left} {self._right}".strip()

    def render(self) -> RenderableType:
        """Draw both ends; what goes on has the right of way."""
        width = self.size.width - 1
        right = f"{_SPINNER[self._ticks % len(_SPINNER)]} {printable(self._right)}" if self._right else ""
        right = right[: max(width - 2, 0)]
        left = printable(self._left)[: max(width - len(right) - 2, 0)]
        line = Text(" ", no_wrap=True, end="")
        line.append(left, self.cell_style("dim"))
        line.append(" " * (width - line.cell_len - len(right)))
        line.append(right, self.cell_style("accent"))
        return line
