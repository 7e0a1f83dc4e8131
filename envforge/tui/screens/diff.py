"""Diff: any two environments, generations, locks or directories; packages, files, and what is in them."""

import os
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from envforge.errors import EnvforgeError
from envforge.tui.core import diff as shown
from envforge.tui.core.commands import Subject
from envforge.tui.core.grid import Cell, Column, Row
from envforge.tui.core.words import part
from envforge.tui.screens.face import Face
from envforge.tui.widgets.dialogs import Prose
from envforge.tui.widgets.picker import Picker
from envforge.tui.widgets.styles import titled
from envforge.tui.widgets.table import Table

if TYPE_CHECKING:
    from envforge.api.comparing import Comparison, Content, Level

_WORDS = (Column("word", "WHAT", 14, most=30), Column("is", "IS", 20, stretch=True, keep_end=True))
_FILES = (Column("file", "FILE", 20, stretch=True, keep_end=True),)
_ANYTHING = "HEAD~3, @2, shop, a digest, a path …"
_OTHERS = "a and d choose two others: environments, generations, locks, containers, directories."
_CONTENTS = 0.12


class DiffScreen(Face):
    """Packages or files at the left, what is in them at the right."""

    AUTO_FOCUS = "#packages"
    NAME: ClassVar[str] = "diff"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "pick('a')", "Older…", id="diff.pick_a"),
        Binding("d", "pick('b')", "Newer…", id="diff.pick_b"),
        Binding("f", "files", "Packages / files", id="diff.files"),
        Binding("X", "swap", "Swap", show=False, id="diff.swap"),
        Binding("y", "copy", "Copy", id="diff.copy"),
        Binding("H", "html", "Save as HTML…", show=False, id="diff.html"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._subject: Subject | None = None
        self._asked: tuple[str | None, str | None] = (None, None)
        self._found: Comparison | None = None
        self._contents: dict[bytes, Content] | None = None
        self._kinds: dict[str, str] = {}
        self._begins = False

    def body(self) -> ComposeResult:
        """Compose the two tables, of which one is seen, and the text."""
        packages = Table(self.host.grid("diff-packages", shown.PACKAGE_COLUMNS), id="packages", marks=False)
        files = Table(self.host.grid("diff-files", shown.FILE_COLUMNS), id="files", marks=False)
        packages.add_class("pane", "main")
        files.add_class("pane", "main", "hidden")
        yield packages
        yield files
        with VerticalScroll(classes="pane side scroll", id="content-pane") as pane:
            pane.border_title = "What differs"
            yield Prose(id="content")

    def filtered(self) -> Table | None:
        """Return the table that is seen."""
        return self._table()

    def _table(self) -> Table:
        files = self.query_one("#files", Table)
        return self.query_one("#packages", Table) if files.has_class("hidden") else files

    def show(self) -> None:
        """Compare what was asked for, or the chosen environment with the generation before."""
        wanted = self.host.compared
        if wanted is not None:
            self.host.compared = None
            self._asked, self._begins = wanted, True
            self._subject = self.host.subject
            self.action_reload()
        elif self._subject is None or (self.host.subject != self._subject and self._asked == (None, None)):
            self._subject = self.host.subject
            self.action_reload()

    def action_reload(self) -> None:
        """Compare anew."""
        self._contents = None
        self.host.load("diff", "comparing", self._compare_files, self._compared)

    def _compare_files(self) -> "Comparison | EnvforgeError":
        """Compare; return what goes wrong, as it may be that there is nothing to compare yet. In a thread."""
        try:
            return self._compare("file")
        except EnvforgeError as error:
            return error

    def _compare(self, level: "Level") -> "Comparison":
        """Compare. In a thread."""
        from envforge.api import comparing, projects  # noqa: PLC0415 - the first screen needs none of it

        subject, store = self._subject, self.host.store
        location = (
            projects.Location(subject.spec, store, subject.environment) if subject is not None else None
        )
        with comparing.here(location, store) as place:
            return comparing.compare(place, *self._asked, level)

    def _incomparable(self, error: EnvforgeError) -> None:
        """Say why nothing can be compared, where nothing was yet; else leave what is shown."""
        if self._found is not None:
            self.host.complain(error)
            return
        lines = [Cell("Nothing to compare yet", "strong"), Cell(""), Cell(error.message)]
        hint = [Cell(f"hint: {error.hint}", "dim")] if error.hint else []
        self.empty([*lines, *hint, Cell(""), Cell(_OTHERS, "dim")])

    def _compared(self, found: "Comparison | EnvforgeError") -> None:
        if isinstance(found, EnvforgeError):
            self._incomparable(found)
            return
        self.empty(())
        self._found = found
        packages, files = found.packages or (), found.files or ()
        table = self.query_one("#packages", Table)
        pair = f"{found.a.title} → {found.b.title}"
        known = "Packages" if found.packages is not None else "Packages are not known"
        table.border_title = titled(f"{known}: {pair}")
        table.border_subtitle = shown.counted([one.kind for one in packages])
        table.fill(shown.package_rows(packages))
        table = self.query_one("#files", Table)
        table.border_title = titled(f"Files: {pair}")
        table.border_subtitle = shown.counted([one.kind for one in files])
        table.fill(shown.file_rows(files))
        self._kinds = {os.fsdecode(one.path): one.kind for one in files}
        self.narrowed()
        command = self.host.commands.of(self._subject or Subject(""), "diff", *self._words())
        self.host.log_command(command)
        begins, self._begins = self._begins, False
        if begins and files and not packages and self._table().id == "packages":
            self.action_files()
        else:
            self._tell(self._table().grid.cursor)

    def _words(self) -> list[str]:
        return [word for word in self._asked if word is not None]

    def narrowed(self) -> None:
        """Say how many are shown."""
        table = self._table()
        number = len(table.grid.rows)
        what = part(table.grid.count, number, "package" if table.id == "packages" else "file")
        self.say(f"{what} {'differs' if number == 1 else 'differ'}")

    def on_table_moved(self, event: Table.Moved) -> None:
        """Show what is in the file under the cursor."""
        if event.table is self._table():
            self._tell(event.key)

    def _tell(self, key: str) -> None:
        found = self._found
        if found is None:
            return
        pane = self.query_one("#content-pane")
        if self._table().id == "packages":
            pane.border_title = "Layers and variables"
            self.query_one("#content", Prose).show(shown.summary(found))
            return
        pane.border_title = titled(key)
        if self._contents is None:
            self.query_one("#content", Prose).show([Cell("reading …", "dim")])
            self.host.at_rest("contents", _CONTENTS, self._read_contents)
        else:
            content = self._contents.get(os.fsencode(key))
            change = self._kinds.get(key, "changed")
            self.query_one("#content", Prose).show(shown.content_lines(content, change))
            pane.scroll_home(animate=False)

    def _read_contents(self) -> None:
        if self._contents is None:
            self.host.load("contents", "comparing contents", partial(self._compare, "content"), self._read)

    def _read(self, found: "Comparison") -> None:
        self._contents = {one.path: one for one in found.contents or ()}
        self._tell(self._table().grid.cursor)

    def action_files(self) -> None:
        """Show files in place of packages, or the other way round."""
        files, packages = self.query_one("#files", Table), self.query_one("#packages", Table)
        to_files = files.has_class("hidden")
        files.set_class(not to_files, "hidden")
        packages.set_class(to_files, "hidden")
        self._table().focus()
        self.narrowed()
        self._tell(self._table().grid.cursor)

    def action_pick(self, side: str) -> None:
        """Ask which one is to be compared."""
        self.host.load("words", "looking what there is", self._there, partial(self._pick, side))

    def _there(self) -> tuple[Row, ...]:
        from envforge.api import comparing, projects  # noqa: PLC0415 - as above

        subject, store = self._subject, self.host.store
        location = (
            projects.Location(subject.spec, store, subject.environment) if subject is not None else None
        )
        with comparing.here(location, store) as place:
            return tuple(
                Row(word, (Cell(word, "strong"), Cell(what, "dim"))) for word, what in comparing.words(place)
            )

    def _pick(self, side: str, rows: tuple[Row, ...]) -> None:
        def picked(word: str | None) -> None:
            if word is not None:
                a, b = self._asked
                self._asked = (word, b) if side == "a" else (a or "@-1", word)
                if self._asked[1] is None:
                    self._asked = (word, "@")
                self.action_reload()

        title = "Compare from, the older one" if side == "a" else "Compare to, the newer one"
        self.app.push_screen(Picker(title, _WORDS, rows, free=_ANYTHING), picked)

    def action_swap(self) -> None:
        """Compare the other way round."""
        a, b = self._asked
        self._asked = (b or "@", a or "@-1")
        self.action_reload()

    def action_html(self) -> None:
        """Save all of it, contents too, as one HTML file."""
        rows = tuple(Row(path, (Cell(path, "strong"),)) for path in (os.path.abspath("envforge-diff.html"),))
        picker = Picker("Save as HTML", _FILES, rows, free="a path", exact=True)
        self.app.push_screen(picker, self._save)

    def _save(self, path: str | None) -> None:
        if path is None:
            return
        file = os.path.abspath(os.path.expanduser(path))

        def work(_listener: object) -> str:
            from envforge.api import comparing  # noqa: PLC0415 - as above

            comparing.save_html(self._compare("content"), file)
            return file

        words = ["--level", "content", "--html", file, *self._words()]
        command = self.host.commands.of(self._subject or Subject(""), "diff", *words)
        self.host.start(
            f"save {file}", command, work, lambda saved: self.host.say(f"saved {saved}"), watch=False
        )

    def action_copy(self) -> None:
        """Copy the command that prints this."""
        level = ["--level", "file"] if self._table().id == "files" else []
        subject = self._subject or Subject("")
        self.host.copy(self.host.commands.of(subject, "diff", *level, *self._words()), "the command")
