"""Spec: the TOML with its mistakes in place; save it, see what its lock would be, build it."""

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from envforge.progress import Listener
from envforge.tui import looking
from envforge.tui.core import spec as shown
from envforge.tui.core.commands import DEFAULT, Subject
from envforge.tui.core.grid import Cell, Grid
from envforge.tui.core.toml import Problem, problems
from envforge.tui.core.words import count, place
from envforge.tui.screens.actions import SubjectFace
from envforge.tui.widgets.dialogs import Confirm
from envforge.tui.widgets.spec_text import SpecText
from envforge.tui.widgets.styles import titled
from envforge.tui.widgets.table import Table

if TYPE_CHECKING:
    from envforge.api.locking import LockResult

_MISTAKES_MAX = 8
"""Lines of the table of mistakes, with its frame."""
_CHECK_S = 0.25
"""The text has to rest so long before it is checked."""


class SpecScreen(SubjectFace):
    """The editor, and the mistakes in it."""

    AUTO_FOCUS = "#problems"
    NAME: ClassVar[str] = "spec"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "edit", "Edit", id="spec.edit"),
        Binding("ctrl+s", "save", "Save", id="spec.save"),
        Binding("ctrl+l,l", "lock", "Lock…", id="spec.lock"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._shown: Subject | None = None
        self._saved = ""
        self._problems: tuple[Problem, ...] = ()

    def body(self) -> ComposeResult:
        """Compose editor and mistakes."""
        self.add_class("-stacked")
        text = SpecText(id="spec-text", read_only=self.host.read_only)
        text.add_class("pane")
        text.border_title = "Spec"
        yield text
        table = Table(Grid(shown.COLUMNS), id="problems", marks=False)
        table.add_class("pane")
        table.border_title = "Mistakes"
        yield table

    def show(self) -> None:
        """Load the spec of the chosen environment, unless its text was edited and is not saved."""
        if self.host.subject is not None and self._is_edited:
            self.say("not saved: ctrl+s saves it")
        elif self.host.subject is None or self._shown is None or self.host.subject.spec != self._shown.spec:
            self.action_reload()

    @property
    def _text(self) -> str:
        return self.query_one(SpecText).text

    @property
    def _is_edited(self) -> bool:
        return self._shown is not None and self._text != self._saved

    def action_reload(self) -> None:
        """Load the spec anew; where what is here is not saved, ask first."""
        if not self._is_edited:
            self._read()
            return
        lines = [Cell("What was typed here and is not saved is lost.", "bad")]
        question = Confirm("Load the spec from the disk again?", lines, yes="Load")
        self.app.push_screen(question, lambda yes: self._read() if yes else None)

    def renew(self) -> None:
        """Show what an action has changed, unless what is here is not saved."""
        if not self._is_edited:
            self._read()

    def _read(self) -> None:
        subject = self.host.subject
        if subject is None:
            self.empty([Cell("No environment is chosen"), Cell("Press 1 and choose one.", "dim")])
            return
        self.empty(())
        self._shown = subject

        def ask() -> str:
            from envforge.api import drafts  # noqa: PLC0415 - the first screen needs none of it

            return drafts.read(subject.spec)

        self.host.load("spec", "reading the spec", ask, self._loaded)

    def _loaded(self, text: str) -> None:
        self._saved = text
        editor = self.query_one(SpecText)
        editor.load_text(text)
        self._check()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Check the text once it rests."""
        event.stop()
        self._entitle()
        self.host.at_rest("check", _CHECK_S, partial(self._check_if, self._text))

    def _entitle(self) -> None:
        subject = self._shown
        name = place(subject.spec) if subject is not None else ""
        editor = self.query_one(SpecText)
        editor.border_title = titled(name or "Spec")
        editor.border_subtitle = "not saved" if self._is_edited else ""
        self.host.unsaved = name if self._is_edited else ""

    def _check_if(self, text: str) -> None:
        if text == self._text:
            self._check()

    def _check(self) -> None:
        text = self._text

        def ask() -> tuple[Problem, ...]:
            from envforge.api import drafts  # noqa: PLC0415 - as above

            return problems(drafts.check(text), drafts.FILENAME)

        self._entitle()
        self.host.load("check", "", ask, self._checked)

    def _checked(self, found: tuple[Problem, ...]) -> None:
        self._problems = found
        self.query_one(SpecText).mark(frozenset(one.line for one in found))
        table = self.query_one(Table)
        table.border_title = count(len(found), "mistake") if found else "No mistakes"
        table.set_class(not found, "-nothing")
        table.styles.height = None if not found else min(len(found) + 3, _MISTAKES_MAX)
        table.fill(shown.rows(found))
        self.say(f"{count(len(found), 'mistake')}: enter goes there" if found else "the spec is good")

    def on_table_opened(self, event: Table.Opened) -> None:
        """Go to the place of a mistake."""
        one = self._problems[int(event.key)]
        editor = self.query_one(SpecText)
        editor.focus()
        if one.line:
            editor.move_cursor((one.line - 1, max(one.column - 1, 0)), center=True)

    def action_edit(self) -> None:
        """Go into the editor."""
        self.query_one(SpecText).focus()

    def action_save(self) -> None:
        """Write the spec, mistakes or not: what is half done is worth keeping too."""
        subject, text = self._shown, self._text
        if subject is None:
            return

        def work(_listener: object) -> None:
            from envforge.api import drafts  # noqa: PLC0415 - as above

            drafts.save(subject.spec, text)

        self.host.start(
            f"save {place(subject.spec)}", f"$EDITOR {subject.spec}", work, self._is_saved, watch=False
        )
        self._saving = text

    _saving = ""

    def _is_saved(self, _nothing: object, *, said: str = "saved") -> None:
        self._saved = self._saving
        self._entitle()
        self.host.say(said)

    def action_lock(self) -> None:
        """Resolve what is written here, and show what that would change in the lock, before it is written."""
        subject, text, store = self._shown, self._text, self.host.store
        if subject is None:
            return
        if self._problems:
            self.host.tell_failure(f"the spec has {count(len(self._problems), 'mistake')}", "mend them first")
            return

        def work(listener: Listener) -> "LockResult":
            from envforge.api import drafts, locking  # noqa: PLC0415 - as above

            project = drafts.of(looking.project_of(Subject(subject.spec, DEFAULT), store), text)
            return locking.lock(project, dry_run=True, listener=listener)

        command = self.host.commands.of(subject, "lock", "--dry-run")
        self.host.start("lock, for a look", command, work, partial(self._locked, text), subject=subject)

    def _locked(self, text: str, result: "LockResult") -> None:
        lines = shown.change_lines(result.changes)
        if not result.changes and self._text == self._saved:
            self.host.say("the lock fits: nothing would change")
            return
        subject = self._shown or Subject("")
        command = self.host.commands.of(subject, "lock")
        title = f"Save, and write the lock? {count(len(result.changes), 'change')}"
        self.app.push_screen(
            Confirm(title, lines, yes="Write", command=command), partial(self._write, subject, text)
        )

    def _write(self, subject: Subject, text: str, yes: bool | None) -> None:  # noqa: FBT001 (Textual passes it)
        if not yes:
            return
        store = self.host.store

        def work(listener: Listener) -> object:
            from envforge.api import drafts, locking  # noqa: PLC0415 - as above

            drafts.save(subject.spec, text)
            return locking.lock(looking.project_of(subject, store), listener=listener)

        def then(_result: object) -> None:
            self._saving = text
            self._is_saved(None, said="saved and locked: b builds it")

        self.host.start("lock", self.host.commands.of(subject, "lock"), work, then, subject=subject)
