"""Store: where the space is, what keeps it, and freeing it: un-tick roots, look, collect, undo. And fsck."""

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from envforge.progress import Listener
from envforge.tui import looking
from envforge.tui.core import store as shown
from envforge.tui.core.grid import Cell, Grid
from envforge.tui.core.words import count
from envforge.tui.screens.face import Face
from envforge.tui.widgets.dialogs import Confirm
from envforge.tui.widgets.table import Table
from envforge.units import size_text

if TYPE_CHECKING:
    from envforge.api.proof import Report
    from envforge.api.upkeep import Collected, Restored, Root, Usage


class StoreScreen(Face):
    """Kinds of things with their bars, and roots with their ticks."""

    AUTO_FOCUS = "#roots"
    NAME: ClassVar[str] = "store"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "tick", "Keep / drop", id="store.tick"),
        Binding("c", "collect", "Collect…", id="store.collect"),
        Binding("u", "undo", "Undo", id="store.undo"),
        Binding("F", "fsck", "Check", id="store.fsck"),
        Binding("R", "repair", "Repair", id="store.repair"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._usage: Usage | None = None
        self._roots: dict[str, Root] = {}
        self._own: list[int] = []
        self._dropped: set[str] = set()

    def body(self) -> ComposeResult:
        """Compose the two tables."""
        kinds = Table(Grid(shown.KIND_COLUMNS), id="kinds", marks=False)
        kinds.add_class("pane", "side")
        kinds.border_title = "Space"
        yield kinds
        roots = Table(self.host.grid("roots", shown.ROOT_COLUMNS), id="roots", marks=False)
        roots.add_class("pane", "main")
        roots.border_title = "What keeps it"
        yield roots

    def filtered(self) -> Table | None:
        """Return the roots."""
        return self.query_one("#roots", Table)

    def show(self) -> None:
        """Measure the store, where that is not done yet."""
        if self._usage is None:
            self.action_reload()

    def action_reload(self) -> None:
        """Measure anew."""
        self.host.load(
            "usage", "measuring the store", partial(looking.space, self.host.store), self._measured
        )

    def _measured(self, found: "tuple[Usage, list[int]]") -> None:
        self._usage, self._own = found
        marked = self._usage.marked
        self._roots = {shown.key(root): root for root in marked.roots}
        self._dropped &= self._roots.keys()
        kinds = self.query_one("#kinds", Table)
        kinds.fill(shown.kind_rows(shown.kinds(self._usage)))
        kinds.border_title = f"Space: {size_text(self._usage.total.size_bytes)}"
        self._draw()

    def _draw(self) -> None:
        if self._usage is None:
            return
        table = self.query_one("#roots", Table)
        table.fill(shown.root_rows(self._usage.marked.roots, self._own, self._dropped))
        table.border_subtitle = shown.freed_text(self._usage.marked, self._chosen())
        self.say("space drops a root, c frees what no root keeps, u brings it back")

    def _chosen(self) -> "tuple[Root, ...]":
        return tuple(self._roots[key] for key in self._roots if key in self._dropped)

    def on_table_opened(self, event: Table.Opened) -> None:
        """Tick or un-tick a root."""
        if event.table.id == "roots":
            self.action_tick()

    def action_tick(self) -> None:
        """Keep a root, or drop it with the next collection; nothing is done yet."""
        table = self.query_one("#roots", Table)
        root = self._roots.get(table.grid.cursor)
        if root is None:
            return
        if not shown.can_be_dropped(root):
            self.host.say(f"{root.name} stays: {_why(root)}")
            return
        self._dropped ^= {table.grid.cursor}
        self._draw()
        table.action_move(1)

    def action_collect(self) -> None:
        """Show what would go; where that is confirmed, let it go."""
        if self._usage is None:
            return
        chosen = self._chosen()
        lines = shown.going(self._usage.marked, chosen)
        words = [word for root in chosen for word in ("--drop", root.name)]
        command = self.host.commands.store_wide("gc", *words)
        question = Confirm("Collect garbage?", lines, yes="Collect", command=command)
        self.app.push_screen(question, partial(self._collect, command, chosen))

    def _collect(self, command: str, chosen: "tuple[Root, ...]", yes: bool | None) -> None:  # noqa: FBT001 (Textual passes it)
        if not yes:
            return
        store = self.host.store

        def work(listener: Listener) -> "Collected":
            from envforge.api import upkeep  # noqa: PLC0415 - as above

            dropped = frozenset((root.spec, root.variant, root.number) for root in chosen)
            return upkeep.collect(store, upkeep.Policy(drop=dropped), listener=listener)

        self.host.start("collect garbage", command, work, self._collected)

    def _collected(self, found: "Collected") -> None:
        self._dropped.clear()
        self.host.say(f"{size_text(found.moved.size_bytes)} are in the trash: u brings them back")
        self._changed()

    def _changed(self) -> None:
        self.host.found = None
        self.action_reload()

    def action_undo(self) -> None:
        """Bring back what the last collection took."""
        store = self.host.store

        def work(_listener: object) -> "Restored":
            from envforge.api import upkeep  # noqa: PLC0415 - as above

            return upkeep.undo(store)

        command = self.host.commands.store_wide("gc", "--undo")
        self.host.start("undo the collection", command, work, self._undone, watch=False)

    def _undone(self, found: "Restored") -> None:
        back = f"{count(found.things, 'thing')} and {count(found.generations, 'generation')}"
        self.host.say(f"{back} are back")
        self._changed()

    def action_fsck(self) -> None:
        """Check the store against what it says of itself."""
        self._check(repair=False)

    def action_repair(self) -> None:
        """Check, and make again what is damaged."""
        lines = [Cell("What is damaged is moved aside and made again; what is left over is removed.")]
        command = self.host.commands.store_wide("fsck", "--repair")
        question = Confirm("Repair the store?", lines, yes="Repair", command=command)
        self.app.push_screen(question, lambda yes: self._check(repair=True) if yes else None)

    def _check(self, *, repair: bool) -> None:
        store = self.host.store

        def work(listener: Listener) -> "Report":
            from envforge.api import proof  # noqa: PLC0415 - as above

            return proof.fsck(store, repair=repair, listener=listener)

        command = self.host.commands.store_wide("fsck", *(["--repair"] if repair else []))
        self.host.start("repair the store" if repair else "check the store", command, work, self._checked)

    def _checked(self, report: "Report") -> None:
        self.host.read("The store is whole" if not report.findings else "Damage", shown.report_lines(report))
        if report.repaired:
            self._changed()


def _why(root: "Root") -> str:
    if root.is_current:
        return "it is the current generation of a project whose spec exists"
    return f"it is kept by a {root.cause}"
