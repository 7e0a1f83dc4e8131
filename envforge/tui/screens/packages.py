"""Packages: what an environment is made of, and why each package is there."""

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from envforge.tui import looking
from envforge.tui.core import packages as shown
from envforge.tui.core.commands import Subject
from envforge.tui.core.grid import Cell
from envforge.tui.screens.actions import SubjectFace
from envforge.tui.widgets.facts import Facts
from envforge.tui.widgets.table import Table

if TYPE_CHECKING:
    from envforge.api.inspecting import EnvironmentDetails, Package
    from envforge.tui.looking import Reasons


class PackagesScreen(SubjectFace):
    """The table of packages, and what is told of the one under the cursor."""

    AUTO_FOCUS = "#packages"
    NAME: ClassVar[str] = "packages"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "asked", "Asked for", id="packages.asked"),
        Binding("y", "copy", "Copy", id="packages.copy"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._shown: Subject | None = None
        self._packages: dict[str, Package] = {}
        self._reasons: Reasons | None = None

    def body(self) -> ComposeResult:
        """Compose the table and the panel."""
        table = Table(self.host.grid("packages", shown.COLUMNS), id="packages")
        table.add_class("pane", "main")
        table.border_title = "Packages"
        yield table
        yield Facts("Why", id="facts")

    def show(self) -> None:
        """Load the packages of the chosen environment, where these are not shown."""
        if self.host.subject != self._shown:
            self.action_reload()

    def action_reload(self) -> None:
        """Load them anew."""
        subject = self.host.subject
        if subject is None:
            self.empty([Cell("No environment is chosen"), Cell("Press 1 and choose one.", "dim")])
            return
        self._shown = subject
        self.host.load(
            "packages", "reading the lock", partial(looking.explained, subject, self.host.store), self._loaded
        )

    def _loaded(self, found: "tuple[EnvironmentDetails, Reasons]") -> None:
        details, self._reasons = found
        self._packages = {shown.key(package): package for package in details.packages}
        table = self.query_one(Table)
        table.fill(shown.rows(details.packages))
        subject = self._shown or Subject("")
        lock = Cell(f"`{self.host.commands.of(subject, 'lock')}`, or b, locks it.", "dim")
        self.empty(() if details.packages else [Cell(f"{details.name} is not locked yet"), lock])
        self.narrowed()
        self._tell(table.grid.cursor)

    def narrowed(self) -> None:
        """Say how many are shown."""
        self.say(shown.summary(tuple(self._packages.values()), self.query_one(Table).grid.count))

    def on_table_moved(self, event: Table.Moved) -> None:
        """Tell why that package is there."""
        self._tell(event.key)

    def _tell(self, key: str) -> None:
        package = self._packages.get(key)
        if package is not None and self._reasons is not None:
            packages = tuple(self._packages.values())
            why = next(one for one in self._reasons(packages, package.name) if one.package == package)
            panel = self.query_one(Facts)
            panel.entitle(f"Why {package.name}")
            panel.show(shown.told(packages, package, why))

    def action_asked(self) -> None:
        """Show what was asked for only, or everything."""
        table = self.query_one(Table)
        table.grid.narrow("" if table.grid.filter == "asked for" else "asked for")
        table.changed()
        self.narrowed()

    def action_copy(self) -> None:
        """Copy the names of the marked packages, or of the one under the cursor."""
        names = [self._packages[key].name for key in self.query_one(Table).grid.chosen()]
        if names:
            self.host.copy(" ".join(names), names[0] if len(names) == 1 else f"{len(names)} names")
