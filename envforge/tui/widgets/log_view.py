"""Lines of a log, of which only those that can be seen are drawn; it follows its end until one scrolls up."""

from typing import ClassVar, Final

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from envforge.tui.core.containers.log import Line, LogLines
from envforge.tui.core.words import printable
from envforge.tui.widgets.styles import CELL_CLASSES, Styled

_CLOCK: Final = slice(11, 19)
"""Of RFC 3339: the time of the day."""
_NARROW: Final = 64
_SIDE: Final = 8


class LogView(ScrollView, Styled, can_focus=True):
    """The log of one container."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(CELL_CLASSES)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="log-lines.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="log-lines.down"),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False, id="log-lines.page_up"),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False, id="log-lines.page_down"),
        Binding("left,h", "sideways(-1)", "To the left", show=False, id="log-lines.left"),
        Binding("right", "sideways(1)", "To the right", show=False, id="log-lines.right"),
        Binding("home,g", "first", "First line", show=False, id="log-lines.first"),
        Binding("end,G", "last", "Last line, and follow", show=False, id="log-lines.last"),
    ]

    class Changed(Message):
        """It follows the end of the log now, or does not any more."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self.log_lines = LogLines()
        self.follows = True

    def changed(self) -> None:
        """Draw anew after the lines are others."""
        shown = self.log_lines.shown()
        widest = max((len(line.text) for line in shown), default=0)
        self.virtual_size = Size(widest + len(self._head_of(None)), len(shown))
        if self.follows:
            self._to(len(shown))
        elif self.log_lines.dropped:
            self._to(self.scroll_offset.y - self.log_lines.dropped)
        self.refresh()

    def follow(self, *, follows: bool) -> None:
        """Stay at the end from now on, or where one is."""
        if follows != self.follows:
            self.follows = follows
            self.post_message(self.Changed())
        if follows:
            self._to(len(self.log_lines.shown()))

    @property
    def text(self) -> str:
        """Return what passes the filter, as text."""
        return "\n".join(printable(line.text) for line in self.log_lines.shown())

    # Drawing

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        width = self.scrollable_content_region.width
        shown = self.log_lines.shown()
        index = self.scroll_offset.y + y
        if index >= len(shown):
            return Strip.blank(width, self.own_style)
        line = shown[index]
        head, style = self._head_of(line), self.own_style
        is_error = line.stream == "stderr"
        begin = Segment(head, style + self.cell_style("warn" if is_error else "dim"))
        text = Strip([Segment(printable(line.text), style)])
        left = self.scroll_offset.x
        text = text.crop(left, left + max(width - len(head), 1))
        return Strip([begin, *text]).adjust_cell_length(width, style)

    def _head_of(self, line: Line | None) -> str:
        """Return what stands before a line: its time, and `!` where it went to standard error."""
        if self.size.width < _NARROW:
            return "! " if line is not None and line.stream == "stderr" else "  "
        if line is None:
            return " " * 10
        return f"{printable(line.time[_CLOCK])}{'!' if line.stream == 'stderr' else ' '} "

    # Moving

    def _to(self, line: int) -> None:
        last = max(len(self.log_lines.shown()) - self.scrollable_content_region.height, 0)
        self.scroll_to(y=max(0, min(line, last)), animate=False, force=True)

    def _move(self, by: int) -> None:
        last = max(len(self.log_lines.shown()) - self.scrollable_content_region.height, 0)
        wanted = self.scroll_offset.y + by
        self.follow(follows=by > 0 and wanted >= last)
        if not self.follows:
            self._to(wanted)

    def action_move(self, by: int) -> None:
        """Scroll by a line; up ends following, the last line begins it again."""
        self._move(by)

    def action_page(self, by: int) -> None:
        """Scroll by a screenful."""
        self._move(by * max(self.size.height - 1, 1))

    def action_sideways(self, by: int) -> None:
        """Scroll long lines."""
        self.scroll_to(x=max(0, self.scroll_offset.x + by * _SIDE), animate=False, force=True)

    def action_first(self) -> None:
        """Go to the first line that is kept."""
        self.follow(follows=False)
        self._to(0)

    def action_last(self) -> None:
        """Go to the end, and stay there."""
        self.follow(follows=True)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll, as the keys do."""
        event.stop()
        self._move(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll, as the keys do."""
        event.stop()
        self._move(3)

    def on_resize(self, _event: events.Resize) -> None:
        """Fit the time before the lines anew, and stay at the end."""
        self.changed()
