"""What all screens have: tabs, a body, a filter, a line of status, the footer."""

from collections.abc import Sequence
from typing import ClassVar, Final, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Static

from envforge.tui.core.grid import Cell
from envforge.tui.host import Host
from envforge.tui.widgets.bars import Status, Tabs
from envforge.tui.widgets.dialogs import Prose
from envforge.tui.widgets.file_tree import FileTreeView
from envforge.tui.widgets.filter_bar import FilterBar
from envforge.tui.widgets.key_bar import KeyBar
from envforge.tui.widgets.table import Table

NAMES: Final = ("environments", "layers", "packages", "diff", "store", "spec", "containers")
WIDTH_MIN: Final = 60
HEIGHT_MIN: Final = 14
_NARROW: Final = 100
CHANGING: Final = frozenset(
    {"enter", "build", "rollback", "save", "lock", "collect", "undo", "repair", "allow", "pin", "html"}
    | {"exec", "start", "stop", "restart", "remove"}
)
"""Actions that a read-only session does not have."""


class Face(Screen[None]):
    """One of the screens."""

    NAME: ClassVar[str]
    STACKED: ClassVar[bool] = False
    """Whether the panes stand above each other even where there is room side by side: for wide tables."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", id="screen.filter"),
        Binding("escape", "unfilter", "Clear the filter", show=False, id="screen.unfilter"),
        Binding("ctrl+r", "reload", "Reload", show=False, id="screen.reload"),
        Binding("tab", "app.focus_next", "Next pane", show=False, id="screen.next_pane"),
        Binding("shift+tab", "app.focus_previous", "Previous pane", show=False, id="screen.previous_pane"),
    ]

    @property
    def host(self) -> Host:
        """Return the app."""
        return cast("Host", self.app)

    def compose(self) -> ComposeResult:
        """Compose the frame, with the screen's own body in it."""
        yield Tabs(NAMES, self.NAME)
        with Container(id="body"):
            yield from self.body()
        yield Prose(id="empty")
        yield FilterBar()
        yield Static(id="small")
        yield Status()
        yield KeyBar()

    def body(self) -> ComposeResult:
        """Compose what is this screen's own."""
        raise NotImplementedError

    def show(self) -> None:
        """Show what it is about now: called whenever the screen comes to the front."""
        raise NotImplementedError

    def filtered(self) -> Table | None:
        """Return the table that `/` filters now."""
        focused = self.focused
        return focused if isinstance(focused, Table) else next(iter(self.query(Table)), None)

    # The frame

    def on_screen_resume(self) -> None:
        """Show what the other screens have chosen meanwhile."""
        if not self.query(KeyBar):
            return  # keys came faster than the screen was made
        self.host.memory.screen = self.NAME
        subject = self.host.subject
        self.query_one(Tabs).about(subject.name if subject is not None else "")
        self.show()
        self._show_filter()
        self.host.tick()

    def on_resize(self, event: events.Resize) -> None:
        """Stand side by side or above each other; say so where there is no room at all."""
        width, height = event.size
        is_small = width < WIDTH_MIN or height < HEIGHT_MIN
        self.set_class(is_small, "-small")
        if is_small:
            needed = f"{WIDTH_MIN}x{HEIGHT_MIN}"
            self.query_one("#small", Static).update(f"too small\n{width}x{height}\nneeds {needed}")
        self.query_one("#body").set_class(self.STACKED or width < _NARROW, "-narrow")

    def empty(self, lines: Sequence[Cell]) -> None:
        """Show this instead of the body, where there is nothing to show; nothing: show the body."""
        if lines or self.has_class("-empty"):
            self.query_one("#empty", Prose).show(lines)
            self.set_class(bool(lines), "-empty")

    def say(self, text: str) -> None:
        """Say something in the line of status."""
        self.query_one(Status).say(text)

    def on_tabs_chosen(self, event: Tabs.Chosen) -> None:
        """Go to the screen that was clicked."""
        self.app.switch_mode(event.name)

    # Filtering

    def action_filter(self) -> None:
        """Ask what to look for."""
        table = self.filtered()
        if table is not None:
            self._narrowed = table
            text = table.tree_state.filter if isinstance(table, FileTreeView) else table.grid.filter
            self.query_one(FilterBar).ask(text)

    _narrowed: Table | None = None

    def _show_filter(self) -> None:
        """Show the filter that was kept since the last time, as it hides something."""
        table, bar = self.filtered(), self.query_one(FilterBar)
        if table is not None and table.grid.filter and not bar.is_shown:
            self._narrowed = table
            bar.keep(table.grid.filter)

    def action_unfilter(self) -> None:
        """Show everything again: what the filter hides, and what notes lie over."""
        self.app.clear_notifications()
        bar = self.query_one(FilterBar)
        if bar.is_shown:
            bar.action_clear()

    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        """Filter while one types."""
        table = self._narrowed
        if isinstance(table, FileTreeView):
            table.narrow(event.text)
        elif table is not None:
            table.grid.narrow(event.text)
            table.changed()
        self.narrowed()

    def narrowed(self) -> None:
        """Say how much is shown now."""

    def on_filter_bar_left(self) -> None:
        """Go back to what was filtered."""
        if self._narrowed is not None:
            self._narrowed.focus()

    def action_reload(self) -> None:
        """Ask for everything anew."""
        self.show()

    def renew(self) -> None:
        """Show what an action has changed."""
        self.action_reload()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what changes something from a read-only session."""
        del parameters
        return not (self.host.read_only and action in CHANGING)
