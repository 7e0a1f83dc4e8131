"""Containers: how they are, what they use and what they say. Loaded only once it is shown."""

from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from envforge.tui.core.containers import facts
from envforge.tui.core.containers import rows as shown
from envforge.tui.core.containers.samples import Samples
from envforge.tui.core.grid import Cell
from envforge.tui.core.words import count
from envforge.tui.screens.container_log import LogFace
from envforge.tui.watching import Seen, Watcher
from envforge.tui.widgets.facts import Facts
from envforge.tui.widgets.log_view import LogView
from envforge.tui.widgets.table import Table

if TYPE_CHECKING:
    from textual.timer import Timer

    from envforge.api.containers import Container

_LOOK_S: Final = 1.0
_LOG_S: Final = 0.25


class ContainersScreen(LogFace):
    """The table above; facts and the log of what is under the cursor below."""

    AUTO_FOCUS = "#containers"
    NAME: ClassVar[str] = "containers"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "diff", "Diff", id="containers.diff"),
        Binding("v", "details", "Details / log", show=False, id="containers.details"),
        Binding("l", "large", "Large log", show=False, id="containers.large"),
        Binding("y", "copy", "Copy", show=False, id="containers.copy"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._watcher: Watcher | None = None
        self._samples = Samples()
        self._seen: Seen | None = None
        self._groups: dict[str, shown.Group] = {}
        self._clocks: list[Timer] = []

    def body(self) -> ComposeResult:
        """Compose the three panes."""
        grid = self.host.grid("containers", shown.COLUMNS, shown.GroupedGrid)
        table = Table(grid, id="containers")
        table.add_class("pane")
        table.border_title = "Containers"
        yield table
        with Horizontal(id="lower"):
            yield Facts("Chosen", id="facts")
            log = LogView(id="container-log")
            log.add_class("pane", "main")
            log.border_title = "Log"
            yield log

    # Looking, while the screen is in front

    def on_mount(self) -> None:
        """Look every second, at the log more often; only while this screen is in front."""
        self.add_class("-stacked")
        self._watcher = Watcher(self.host.store)
        self._clocks = [self.set_interval(_LOOK_S, self._look), self.set_interval(_LOG_S, self._look_at_log)]

    def on_screen_suspend(self) -> None:
        """Another screen is in front: nothing is read until this one is again."""
        for timer in self._clocks:
            timer.pause()

    def show(self) -> None:
        """Begin to look."""
        for timer in self._clocks:
            timer.resume()
        self._look()

    def action_reload(self) -> None:
        """Look at once."""
        self._look()

    def _look(self) -> None:
        if self.is_current and self._watcher is not None:
            self._ask("look", self._watcher.look, self._saw)

    def _saw(self, seen: Seen) -> None:
        if seen.problem:
            self.say(seen.problem)
            return
        self._seen = seen
        self._samples.note(seen.usages)
        groups = shown.grouped(seen.containers, seen.needs)
        self._groups = {group.key: group for group in groups}
        table = self.query_one("#containers", Table)
        if isinstance(table.grid, shown.GroupedGrid):
            table.grid.groups = shown.places(groups)
            if groups and table.grid.cursor not in {*table.grid.groups, *self._groups}:
                table.grid.cursor = groups[0].containers[0].id
            table.fill(tuple(shown.rows(groups, seen.needs, self._samples)))
        self.empty(() if seen.containers else _nothing(bool(self.host.read_only)))
        if seen.containers and self.focused is None:
            table.focus()
        self.narrowed()
        self._tell(table.grid.cursor)

    def narrowed(self) -> None:
        """Say how many are shown."""
        grid = self.query_one("#containers", Table).grid
        if self._seen is None or not isinstance(grid, shown.GroupedGrid):
            return
        marked = f", {len(grid.marks)} marked" if grid.marks else ""
        self.say(f"{shown.summary(self._seen.containers, grid.count_of_containers())}{marked}")

    # The one under the cursor

    def on_table_moved(self, event: Table.Moved) -> None:
        """Tell of that one, and show its log."""
        self._tell(event.key)

    def on_table_marked(self, _event: Table.Marked) -> None:
        """Say how many are marked."""
        self.narrowed()

    def on_table_opened(self, _event: Table.Opened) -> None:
        """Go to the log."""
        self.remove_class("-details")
        self.query_one(LogView).focus()

    def _container(self, key: str) -> "Container | None":
        found = self._seen.containers if self._seen is not None else ()
        return next((one for one in found if one.id == key), None)

    def _tell(self, key: str) -> None:
        one = self._container(key)
        panel, needs = self.query_one(Facts), self._seen.needs if self._seen is not None else {}
        table = self.query_one("#containers", Table)
        if one is not None and isinstance(table.grid, shown.GroupedGrid):
            group = self._groups[table.grid.groups[key]]
            history, room = self._samples.known.get(key), panel.size.width or self.size.width
            panel.show(facts.of_container(one, group, needs, history, room=room))
        elif key in self._groups:
            panel.show(facts.of_group(self._groups[key], self._samples))
        else:
            panel.show(())
        self._show_log(one)

    def chosen(self) -> "tuple[Container, ...]":
        """Return the marked ones or that under the cursor; a project's line stands for all of its."""
        keys = set(self.query_one("#containers", Table).grid.chosen())
        return tuple(
            one
            for group in self._groups.values()
            for one in group.containers
            if one.id in keys or group.key in keys
        )

    # Keys

    def action_details(self) -> None:
        """Show the details in place of the log, where there is room for one of them."""
        self.remove_class("-large")
        self.toggle_class("-details")

    def action_large(self) -> None:
        """Give the whole screen to the log, or take it back."""
        self.remove_class("-details")
        is_large = self.toggle_class("-large").has_class("-large")
        (self.query_one(LogView) if is_large else self.query_one("#containers", Table)).focus()

    def action_diff(self) -> None:
        """Compare the one under the cursor with its environment: what was changed inside."""
        one = self._container(self.query_one("#containers", Table).grid.cursor)
        if one is None:
            self.host.say("put the cursor on a container")
            return
        self.host.compared = (f"sha256:{one.config['environment'][:12]}", one.id)
        self.app.switch_mode("diff")

    def action_copy(self) -> None:
        """Copy the log's lines where one is in it, the names of the chosen containers else."""
        view = self.query_one(LogView)
        names = [one.name for one in self.chosen()]
        if self.focused is view:
            self.host.copy(view.text, count(len(view.log_lines.shown()), "line"))
        elif names:
            self.host.copy(" ".join(names), names[0] if len(names) == 1 else f"{len(names)} names")


def _nothing(read_only: bool) -> list[Cell]:  # noqa: FBT001 (one caller)
    lines = [
        Cell("No containers yet", "strong"),
        Cell(""),
        Cell("In a project's directory:"),
        Cell(""),
        Cell("  envforge run -d --name web -p 8080:8080 -- COMMAND   one that goes on by itself", "accent"),
        Cell("  envforge up -d                                       all [services] of the spec", "accent"),
        Cell(""),
        Cell("They are shown here as soon as they are there.", "dim"),
    ]
    return lines if not read_only else lines[:1]
