"""`/`: a line in which one types what the table above is to show."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label


class FilterBar(Horizontal):
    """Hidden until it is wanted; filters while one types, enter keeps the filter, escape clears it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "Clear filter", show=True, id="filter.clear"),
        Binding("down", "leave", "To the list", show=False, id="filter.leave"),
    ]

    class Changed(Message):
        """The text is another one."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The list is to have the focus again."""

    def compose(self) -> ComposeResult:
        """Compose the prompt and the line."""
        yield Label("/", id="filter-prompt")
        yield Input(id="filter-text", compact=True, placeholder="words to look for")

    @property
    def is_shown(self) -> bool:
        """Return whether something is filtered, or is about to be."""
        return self.has_class("-shown")

    def keep(self, text: str) -> None:
        """Show the line with the text that filters, without asking for another one."""
        self.query_one(Input).value = text
        self.add_class("-shown")

    def ask(self, text: str) -> None:
        """Show the line, with the text that filters now."""
        self.add_class("-shown")
        line = self.query_one(Input)
        line.value = text
        line.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while one types."""
        event.stop()
        if self.is_shown:
            self.post_message(self.Changed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter."""
        event.stop()
        self.action_leave()

    def action_leave(self) -> None:
        """Go back to the list; an empty filter goes away."""
        if not self.query_one(Input).value:
            self.remove_class("-shown")
        self.post_message(self.Left())

    def action_clear(self) -> None:
        """Clear the filter, and go back to the list."""
        self.query_one(Input).value = ""
        self.post_message(self.Changed(""))
        self.remove_class("-shown")
        self.post_message(self.Left())
