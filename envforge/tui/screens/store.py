"""Store: where the space is, what keeps it, and freeing it: un-tick roots, look, collect, undo. And fsck."""

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from envforge.progress import Listener
from envforge.tui import looking
from envforge.tui.core import store as shown
from envforge.tui.core.grid import Cell, Grid, Row
from envforge.tui.core.words import count
from envforge.tui.screens.face import Face
from envforge.tui.widgets.dialogs import Confirm
from envforge.tui.widgets.picker import Picker
from envforge.tui.widgets.table import Table
from envforge.units import size_text

if TYPE_CHECKING:
    from envforge.api.proof import Report
    from envforge.api.upkeep import Collected, Pin, Restored, Root, Usage

_SPACES: Final = {
    "kinds": shown.KIND_COLUMNS,
    "layers": shown.LAYER_COLUMNS,
    "packages": shown.PACKAGE_COLUMNS,
}
_NEXT: Final = {"kinds": "v: by layer", "layers": "v: by package", "packages": "v: by kind"}
"""What the table of one kind says below: the key, and what it shows next."""


class StoreScreen(Face):
    """Kinds of things with their bars, and roots with their ticks."""

    AUTO_FOCUS = "#roots"
    NAME: ClassVar[str] = "store"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "tick", "Keep / drop", id="store.tick"),
        Binding("c", "collect", "Collect…", id="store.collect"),
        Binding("u", "undo", "Undo", id="store.undo"),
        Binding("p", "pin", "Keep by a name / no longer", show=False, id="store.pin"),
        Binding("v", "view", "Space by kind / layer / package", show=False, id="store.view"),
        Binding("F", "fsck", "Check", id="store.fsck"),
        Binding("R", "repair", "Repair", id="store.repair"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._usage: Usage | None = None
        self._roots: dict[str, Root] = {}
        self._own: list[int] = []
        self._dropped: set[str] = set()
        self._view = "kinds"
        self._told: set[str] = set()
        """Which of the tables of space are filled with what was measured last."""

    def body(self) -> ComposeResult:
        """Compose the two tables."""
        for name, columns in _SPACES.items():
            table = Table(Grid(columns), id=name, marks=False)
            table.add_class("pane", "side", *(["hidden"] if name != self._view else []))
            table.border_title = "Space"
            yield table
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
        self._told.clear()
        self._tell_space("kinds", shown.kind_rows(shown.kinds(self._usage)))
        self._show_space()
        self._draw()

    # Space by kind, by layer, by package

    def action_view(self) -> None:
        """Show the space by layer, by package, by kind again."""
        names = list(_SPACES)
        self._view = names[(names.index(self._view) + 1) % len(names)]
        self._show_space()

    def _show_space(self) -> None:
        for name in _SPACES:
            table = self.query_one(f"#{name}", Table)
            had_focus = table.has_focus
            table.set_class(name != self._view, "hidden")
            if had_focus and name != self._view:
                self.query_one(f"#{self._view}", Table).focus()
        if self._usage is not None and self._view not in self._told:
            ask = partial(_space_rows, self._view, self.host.store, self._usage)
            self.host.load("space", "sorting by size", ask, partial(self._tell_space, self._view))

    def _tell_space(self, name: str, rows: tuple[Row, ...]) -> None:
        if self._usage is None:
            return
        self._told.add(name)
        table = self.query_one(f"#{name}", Table)
        table.fill(rows)
        whole = size_text(self._usage.total.size_bytes)
        table.border_title = f"Space: {whole}" if name == "kinds" else f"Space by {name.removesuffix('s')}"
        table.border_subtitle = _NEXT[name]

    def _draw(self) -> None:
        if self._usage is None:
            return
        table = self.query_one("#roots", Table)
        table.fill(shown.root_rows(self._usage.marked.roots, self._own, self._dropped))
        table.border_subtitle = shown.freed_text(self._usage.marked, self._chosen())
        self.say("space drops a root, p keeps one by a name, c collects, u brings it back")

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

    def action_pin(self) -> None:
        """Keep an environment by a name, whatever becomes of its project; or keep it no longer."""
        root = self._roots.get(self.query_one("#roots", Table).grid.cursor)
        if root is None or not root.environment:
            self.host.say("only environments can be kept by a name")
        elif root.cause == "pin":
            lines = [Cell(f"{root.name} is kept no longer: the next collection may take it.")]
            command = self.host.commands.store_wide("root rm", root.name)
            question = Confirm(f"Release {root.name}?", lines, yes="Release", command=command)
            self.app.push_screen(question, lambda yes: self._release(command, root) if yes else None)
        else:
            title = f"Keep {root.name} as"
            free = "a name: a to z, 0 to 9, -"
            picker = Picker(title, shown.NAME_COLUMNS, shown.names_for(root), free=free, exact=True)
            self.app.push_screen(picker, partial(self._keep, root))

    def _keep(self, root: "Root", name: str | None) -> None:
        if name is None:
            return
        store = self.host.store

        def work(_listener: object) -> "Pin":
            from envforge.api import comparing, upkeep  # noqa: PLC0415 - as above

            with comparing.here(None, store) as place:
                return upkeep.keep(place, f"sha256:{root.environment}", name)

        command = self.host.commands.store_wide("root add", root.environment[:12], "--name", name)
        self.host.start(f"keep {name}", command, work, self._kept, watch=False)

    def _kept(self, pin: "Pin") -> None:
        self.host.say(f"{pin.name} keeps {pin.environment[:12]}")
        self._changed()

    def _release(self, command: str, root: "Root") -> None:
        store = self.host.store

        def work(_listener: object) -> None:
            from envforge.api import upkeep  # noqa: PLC0415 - as above

            upkeep.release(store, root.name)

        self.host.start(f"release {root.name}", command, work, lambda _nothing: self._changed(), watch=False)

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


def _space_rows(name: str, store: str, usage: "Usage") -> tuple[Row, ...]:
    """Return the lines of one of the tables of space. In a thread."""
    from envforge.api import upkeep  # noqa: PLC0415 - as above

    if name == "layers":
        return shown.layer_rows(upkeep.layers(store, usage.marked))
    if name == "packages":
        return shown.package_rows(upkeep.packages(store, usage.marked))
    return shown.kind_rows(shown.kinds(usage))


def _why(root: "Root") -> str:
    if root.is_current:
        return "it is the current generation of a project whose spec exists"
    return f"it is kept by a {root.cause}"
