"""Environments: all of the store, what each one is, and what can be done with it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from envforge.errors import EnvforgeError
from envforge.tui import looking
from envforge.tui.core import environments as shown
from envforge.tui.core.commands import Subject
from envforge.tui.core.grid import Cell
from envforge.tui.core.words import part
from envforge.tui.looking import Found
from envforge.tui.screens.actions import SubjectFace
from envforge.tui.widgets.bars import Tabs
from envforge.tui.widgets.facts import Facts
from envforge.tui.widgets.table import Table

if TYPE_CHECKING:
    from envforge.api.environments import EnvironmentInfo
    from envforge.api.inspecting import EnvironmentDetails

_REFRESH_S = 5.0
_DETAILS_S = 0.2
"""The cursor has to rest so long before its environment's project is opened."""


class EnvironmentsScreen(SubjectFace):
    """The table of environments, and facts about the one under the cursor."""

    AUTO_FOCUS = "#environments"
    NAME: ClassVar[str] = "environments"
    STACKED: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "diff", "Diff", id="environments.diff"),
        Binding("y", "copy", "Copy", id="environments.copy"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._details: dict[str, EnvironmentDetails | EnvforgeError] = {}
        self._subjects: dict[str, Subject] = {}
        self._infos: dict[str, EnvironmentInfo] = {}
        self._is_first = True

    def body(self) -> ComposeResult:
        """Compose the table and the panel."""
        table = Table(self.host.grid("environments", shown.COLUMNS), id="environments")
        table.add_class("pane", "main")
        table.border_title = "Environments"
        yield table
        yield Facts("Chosen", id="facts")

    def on_mount(self) -> None:
        """Look at what runs every few seconds."""
        self.set_interval(_REFRESH_S, self._look_again)

    def show(self) -> None:
        """Load the list, where that is not done yet."""
        ahead, self.host.ahead = self.host.ahead, None
        if ahead is not None:
            self._load(ahead.result)
        elif self.host.found is None:
            self.action_reload()
        else:
            self._fill(self.host.found)

    def action_reload(self) -> None:
        """Load the list anew."""
        self._details.clear()
        self._load(partial(looking.environments, self.host.store))

    def _load(self, work: Callable[[], Found]) -> None:
        self.host.load("environments", "reading the store", work, self._found)

    def _look_again(self) -> None:
        if self.is_current and self.host.found is not None and self.host.is_idle:
            self.host.load("running", "", partial(looking.running, self.host.store), self._ran)

    def _ran(self, running: Mapping[str, int]) -> None:
        found = self.host.found
        if found is not None and dict(found.running) != dict(running):
            self._found(Found(found.infos, running, found.gone))

    def _found(self, found: Found) -> None:
        self.host.found = found
        self._fill(found)

    def _fill(self, found: Found) -> None:
        subjects = [shown.subject_of(info) for info in found.infos]
        self._subjects = {one.key: one for one in subjects}
        self._infos = {one.key: info for one, info in zip(subjects, found.infos, strict=True)}
        here = self.host.here
        if here is not None:
            self._subjects.setdefault(here.key, here)
        table = self.query_one(Table)
        if self._is_first and here is not None:
            table.grid.cursor = here.key
        elif table.grid.cursor not in self._subjects:
            table.grid.cursor = self.host.memory.subject
        table.fill(shown.rows(found.infos, found.running, here=here, gone=found.gone))
        self.empty(() if self._subjects else _nothing(self.host.store))
        if not table.has_focus and self.focused is None:
            table.focus()
        self.narrowed()
        self._chosen(table.grid.cursor)
        if self._is_first:
            self._is_first = False
            self.host.go_on()

    def narrowed(self) -> None:
        """Say how many are shown."""
        grid = self.query_one(Table).grid
        marked = f", {len(grid.marks)} marked" if grid.marks else ""
        self.say(f"{part(grid.count, len(grid.rows), 'environment')}{marked}")

    def on_table_moved(self, event: Table.Moved) -> None:
        """Make this the environment that all screens are about."""
        self._chosen(event.key)

    def on_table_marked(self, _event: Table.Marked) -> None:
        """Say how many are marked."""
        self.narrowed()

    def _chosen(self, key: str) -> None:
        subject = self._subjects.get(key)
        if subject is None:
            return
        self.host.choose(subject)
        self._about(subject)
        self._tell(subject)
        if self._is_first:
            self._ask(subject)
        elif key not in self._details:
            self.host.at_rest("details", _DETAILS_S, partial(self._ask, subject))

    def _about(self, subject: Subject) -> None:
        self.query_one(Tabs).about(subject.name)

    def _ask(self, subject: Subject) -> None:
        if subject == self.host.subject and subject.key not in self._details and self.is_current:
            self.host.load(
                "details",
                "reading the project",
                partial(_details, subject, self.host.store),
                partial(self._detailed, subject),
            )

    def _detailed(self, subject: Subject, details: "EnvironmentDetails | EnvforgeError") -> None:
        self._details[subject.key] = details
        if subject == self.host.subject:
            self._tell(subject)

    def _tell(self, subject: Subject) -> None:
        details = self._details.get(subject.key)
        info = self._infos.get(subject.key)
        if isinstance(details, EnvforgeError):
            facts = [*shown.facts(info, None), ("project", Cell(details.message, "warn"))]
        else:
            facts = shown.facts(info, details)
        panel = self.query_one(Facts)
        panel.entitle(subject.name)
        panel.show(facts)

    def on_table_opened(self, _event: Table.Opened) -> None:
        """Go to the layers of the environment."""
        self.app.switch_mode("layers")

    def action_diff(self) -> None:
        """Compare the two that are marked, else the environment with its generation before."""
        marked = [self._subjects[key] for key in self.query_one(Table).grid.chosen() if key in self._subjects]
        if len(marked) > 2:
            self.host.say("mark two environments, or none, to compare")
            return
        pair = (marked[0].digest, marked[1].digest) if len(marked) == 2 else (None, None)
        self.host.compared = pair
        self.app.switch_mode("diff")

    def action_copy(self) -> None:
        """Copy the digests of the marked environments, or of the one under the cursor."""
        chosen = [self._subjects[key] for key in self.query_one(Table).grid.chosen() if key in self._subjects]
        digests = [f"sha256:{one.digest}" for one in chosen if one.digest]
        if digests:
            self.host.copy(
                "\n".join(digests), "the digest" if len(digests) == 1 else f"{len(digests)} digests"
            )


def _details(subject: Subject, store: str) -> "EnvironmentDetails | EnvforgeError":
    try:
        return looking.details(subject, store)
    except EnvforgeError as error:
        return error


def _nothing(store: str) -> list[Cell]:
    return [
        Cell("No environments yet", "strong"),
        Cell(""),
        Cell(f"The store {store} is empty. In a project's directory:"),
        Cell(""),
        Cell("  envforge init       propose a spec for what lies there", "accent"),
        Cell("  envforge shell      lock it, build it, enter it", "accent"),
        Cell(""),
        Cell("Then press ctrl+r here.", "dim"),
    ]
