"""An editor for TOML: colours by meaning, lines with mistakes marked."""

from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from envforge.tui.core import toml

_STYLES = {"comment": "dim", "table": "accent", "key": "strong", "text": "good", "number": "warn"}


class SpecText(TextArea):
    """The text of a spec."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"cell--{name}" for name in (*_STYLES.values(), "bad")),
        "spec--wrong",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave the editor", id="spec.leave"),
    ]

    def __init__(self, *, id: str, read_only: bool) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, read_only=read_only, show_line_numbers=True, tab_behavior="indent")
        self.wrong: frozenset[int] = frozenset()

    def mark(self, lines: frozenset[int]) -> None:
        """Mark these lines, from 1, as wrong."""
        if lines != self.wrong:
            self.wrong = lines
            self._line_cache.clear()
            self.refresh()

    def get_line(self, line_index: int) -> Text:
        """Return a line in its colours."""
        line = super().get_line(line_index)
        for start, end, kind in toml.tokens(line.plain):
            style = self.get_component_rich_style(f"cell--{_STYLES[kind]}", partial=True)
            line.stylize(style, start, end)
        if line_index + 1 in self.wrong:
            line.stylize(self.get_component_rich_style("spec--wrong", partial=True))
        return line

    def action_leave(self) -> None:
        """Give the focus to the list of mistakes, so that the screen's keys work."""
        self.screen.query_one("#problems").focus()
