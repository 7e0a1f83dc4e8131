"""Screens about one environment, and what can be done with it: enter, build, go back to a generation."""

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType

from envforge.errors import EnvforgeError
from envforge.progress import Listener, terminal
from envforge.tui import looking
from envforge.tui.core import history as generations
from envforge.tui.core.commands import Subject
from envforge.tui.core.grid import Row
from envforge.tui.screens.face import Face
from envforge.tui.widgets.dialogs import Confirm
from envforge.tui.widgets.picker import Picker

if TYPE_CHECKING:
    from envforge.api.building import BuildResult
    from envforge.api.comparing import PackageChange
    from envforge.api.entering import Compiled
    from envforge.api.history import Plan, RollbackResult


_STDIN = 0
_NOT_STARTED = (126, 127)
"""As for Docker's `run`: the command cannot be executed, or is not there."""


class SubjectFace(Face):
    """A screen about one environment, with the actions on it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "enter", "Enter", id="environment.enter"),
        Binding("b", "build", "Build", id="environment.build"),
        Binding("r", "rollback", "Roll back", id="environment.rollback"),
    ]

    def subject(self) -> Subject | None:
        """Return the environment that actions are about."""
        return self.host.subject

    def action_build(self) -> None:
        """Build the environment, locking first where that is needed."""
        subject = self.subject()
        if subject is None:
            return
        store = self.host.store

        def work(listener: Listener) -> "BuildResult":
            from envforge.api import building  # noqa: PLC0415 - only where something is built

            return building.build(looking.project_of(subject, store), listener=listener)

        self.host.start(
            f"build {subject.name}",
            self.host.commands.of(subject, "build"),
            work,
            partial(self._built, subject),
            subject=subject,
        )

    def _built(self, subject: Subject, result: "BuildResult") -> None:
        built = sum(not layer.reused for layer in result.layers)
        self.host.say(f"{subject.name}: {f'{built} layers built' if built else 'nothing to build'}")
        self.host.found = None
        face = self.host.screen
        if isinstance(face, Face):
            face.renew()

    def action_enter(self) -> None:
        """Enter the environment: the screen steps aside, and comes back where it was."""
        subject = self.subject()
        if subject is None:
            return
        store = self.host.store

        def work(listener: Listener) -> "tuple[Compiled, str]":
            from envforge.api import entering  # noqa: PLC0415 - only where something is entered

            project = looking.project_of(subject, store)
            options = entering.RunOptions()
            return entering.prepare(project, options, listener=listener), project.directory

        self.host.start(
            f"enter {subject.name}",
            self.host.commands.of(subject, "shell"),
            work,
            self._enter,
            subject=subject,
            watch=False,
        )

    def _enter(self, prepared: "tuple[Compiled, str]") -> None:
        from envforge.api import entering  # noqa: PLC0415 - as above

        compiled, directory = prepared
        try:
            with self.app.suspend(), terminal.lent(_STDIN):
                code = entering.enter(compiled, (), workdir=directory)
        except SuspendNotSupported:
            command = self.host.commands.of(self.subject() or Subject(""), "shell")
            self.host.tell_failure("there is no terminal to step aside from", f"in a terminal: {command}")
            return
        self.app.refresh(layout=True)
        if code in _NOT_STARTED:
            hint = 'the spec names it: [shell] command = ["sh"]'
            self.host.tell_failure(f"the shell of the environment cannot be started: exit code {code}", hint)
        else:
            self.host.say(f"back from the shell, which gave {code}")
        self.host.found = None
        self.renew()

    def action_rollback(self) -> None:
        """Choose a generation to go back to."""
        subject = self.subject()
        if subject is None:
            return
        location = looking.location_of(subject, self.host.store)

        def ask() -> tuple[Row, ...]:
            from envforge.api import history  # noqa: PLC0415 - as above

            return generations.rows(history.generations(location))

        self.host.load("history", "reading the history", ask, partial(self._choose_generation, subject))

    def _choose_generation(self, subject: Subject, rows: tuple[Row, ...]) -> None:
        def chosen(number: str | None) -> None:
            if number is not None:
                self._preview(subject, int(number))

        self.app.push_screen(Picker(f"Go back: {subject.name}", generations.COLUMNS, rows), chosen)

    def _preview(self, subject: Subject, number: int) -> None:
        location = looking.location_of(subject, self.host.store)

        def ask() -> "tuple[Plan, tuple[PackageChange, ...] | None]":
            from envforge.api import comparing, history  # noqa: PLC0415 - as above

            plan = history.preview(location, number)
            try:
                with comparing.here(location, location.store_path) as place:
                    return plan, comparing.compare(place, "@", f"@{number}").packages
            except EnvforgeError:
                return plan, None  # its records may have gone: going back makes them anew

        self.host.load("preview", "comparing", ask, partial(self._ask_back, subject, number))

    def _ask_back(
        self, subject: Subject, number: int, found: "tuple[Plan, tuple[PackageChange, ...] | None]"
    ) -> None:
        plan, packages = found
        words = [str(number), *(["--yes"] if plan.edits else [])]
        command = self.host.commands.of(subject, "rollback", *words)
        question = Confirm(
            f"Go back to generation {number} of {subject.name}?",
            generations.preview_lines(plan, packages),
            yes="Go back",
            command=command,
        )
        self.app.push_screen(question, partial(self._go_back, subject, number, command, bool(plan.edits)))

    def _go_back(
        self,
        subject: Subject,
        number: int,
        command: str,
        over_edits: bool,  # noqa: FBT001 (Textual passes them)
        yes: bool | None,  # noqa: FBT001
    ) -> None:
        if not yes:
            return
        location = looking.location_of(subject, self.host.store)

        def work(listener: Listener) -> "RollbackResult":
            from envforge.api import history  # noqa: PLC0415 - as above

            return history.rollback(location, number, over_edits=over_edits, listener=listener)

        self.host.start(
            f"roll back {subject.name}", command, work, partial(self._is_back, subject), subject=subject
        )

    def _is_back(self, subject: Subject, result: "RollbackResult") -> None:
        backup = f"; your edits are in {result.backup}" if result.backup else ""
        self.host.say(f"{subject.name} is as generation {result.target.number} was{backup}")
        self.host.found = None
        self.renew()
