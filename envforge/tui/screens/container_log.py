"""The log of the container under the cursor: read while the screen is in front, filtered, followed."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.worker import get_current_worker

from envforge.tui.core.words import count
from envforge.tui.screens.container_actions import ContainerFace
from envforge.tui.watching import LogReader
from envforge.tui.widgets.filter_bar import FilterBar
from envforge.tui.widgets.log_view import LogView
from envforge.tui.widgets.styles import titled

if TYPE_CHECKING:
    from envforge.api.containers import Container
    from envforge.api.containers_logs import Entry

T = TypeVar("T")


class LogFace(ContainerFace):
    """A screen that shows the log of one container."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "Follow", show=False, id="containers.follow")
    ]

    def __init__(self) -> None:
        super().__init__()
        self._reader: LogReader | None = None
        self._busy: set[str] = set()
        self._filters_log = False

    def _ask(self, name: str, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Call `work` in a thread, then `then` with its result; one of a name at a time."""
        if name in self._busy:
            return
        self._busy.add(name)

        def run() -> None:
            worker = get_current_worker()
            try:
                result = work()
            except BaseException:
                self.app.call_from_thread(self._busy.discard, name)
                raise
            if not worker.is_cancelled:
                self.app.call_from_thread(told, result)

        def told(result: T) -> None:
            self._busy.discard(name)
            then(result)

        self.run_worker(run, thread=True, group=name)

    def _show_log(self, one: "Container | None") -> None:
        """Show another one's log from its end; the same one's goes on, also after it was started anew."""
        before = self._reader.container.id if self._reader is not None else ""
        if one is not None and one.id == before:
            return
        if self._reader is not None and "log" not in self._busy:
            self._reader.close()
        self._reader = None if one is None else LogReader(one)
        view = self.query_one(LogView)
        view.log_lines.clear()
        view.scroll_to(x=0, animate=False, force=True)
        view.follow(follows=True)
        view.changed()
        self._say_of_log()
        self._look_at_log()

    def _look_at_log(self) -> None:
        if self._reader is not None and self.is_current:
            reader = self._reader
            self._ask("log", reader.read, partial(self._read, reader))

    def _read(self, reader: LogReader, entries: "list[Entry]") -> None:
        if reader is not self._reader:
            reader.close()
            self._look_at_log()
            return
        view = self.query_one(LogView)
        if view.log_lines.add(entries):
            view.changed()
            self._say_of_log()

    def _say_of_log(self) -> None:
        view = self.query_one(LogView)
        one = self._reader.container if self._reader is not None else None
        view.border_title = titled(f"Log of {one.name}" if one is not None else "Log")
        lines = view.log_lines
        shown_lines, all_lines = len(lines.shown()), len(lines.lines)
        told = f"{shown_lines} of {count(all_lines, 'line')}" if lines.filter else count(all_lines, "line")
        view.border_subtitle = f"{told}, {'following' if view.follows else 'f: follow'}" if one else ""

    def on_log_view_changed(self) -> None:
        """Say whether the end is followed."""
        self._say_of_log()

    def action_filter(self) -> None:
        """Ask what to look for."""
        self._filters_log = isinstance(self.focused, LogView)
        if self._filters_log:
            self.query_one(FilterBar).ask(self.query_one(LogView).log_lines.filter)
        else:
            super().action_filter()

    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        """Filter while one types."""
        if not self._filters_log:
            super().on_filter_bar_changed(event)
            return
        view = self.query_one(LogView)
        view.log_lines.narrow(event.text)
        view.changed()
        self._say_of_log()

    def on_filter_bar_left(self) -> None:
        """Go back to what was filtered."""
        if self._filters_log:
            self.query_one(LogView).focus()
        else:
            super().on_filter_bar_left()

    def action_follow(self) -> None:
        """Follow the end of the log, or stay where one is."""
        view = self.query_one(LogView)
        view.follow(follows=not view.follows)

    def on_unmount(self) -> None:
        """Close the log."""
        if self._reader is not None:
            self._reader.close()
