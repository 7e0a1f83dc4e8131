"""Each screen and what its keys do, on a store with true environments."""

import threading
from functools import partial
from pathlib import Path

import pytest
from driving import Driver, app_of, drive
from textual.dom import DOMNode

from envforge.progress import Listener
from envforge.progress.events import Item, Stage
from envforge.tui.core.grid import Cell
from envforge.tui.core.memory import Memory
from envforge.tui.screens.face import CHANGING, NAMES
from envforge.tui.theme import DARK, LIGHT
from envforge.tui.widgets.dialogs import Help
from envforge.tui.widgets.facts import Facts
from envforge.tui.widgets.file_tree import FileTreeView
from envforge.tui.widgets.filter_bar import FilterBar
from envforge.tui.widgets.key_bar import KeyBar
from envforge.tui.widgets.table import Table
from tests.tui.conftest import SIZES


def test_the_first_screen_lists_the_environments(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        table = driver.one(Table, "environments")
        assert table.count() == 8
        for heading in ("NAME", "GEN", "SIZE", "OWN", "USED", "RUNS", "PROJECT"):
            assert heading in driver.lines[2], heading
        assert "8 environments" in driver.text

    drive(app_of(small_store), steps)


def test_the_panel_tells_of_the_environment_under_the_cursor(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        table = driver.one(Table, "environments")
        await driver.press("down")
        name = table.line(1).cells[1].text
        assert driver.app.subject.name == name
        assert "lock: current" in driver.one(Facts).text
        await driver.press("G")
        assert driver.app.subject.name == table.line(7).cells[1].text

    drive(app_of(small_store), steps, (120, 40))


def test_filter_and_sort_and_marks(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        table = driver.one(Table, "environments")
        first = table.line(0).cells[1].text
        await driver.press("slash", *first)
        assert table.count() == 1
        assert "1 of 8" in driver.text
        await driver.press("escape")
        assert table.count() == 8
        assert table.has_focus
        await driver.press("s")
        assert table.grid.sort == "name"
        await driver.press("S")
        assert table.grid.descending
        await driver.press("g", "space", "space")
        assert len(table.grid.marks) == 2
        assert "2 marked" in driver.text
        await driver.press("asterisk")
        assert len(table.grid.marks) == 8

    drive(app_of(small_store), steps)


def test_a_heading_that_is_clicked_sorts_and_a_double_click_opens(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        table = driver.one(Table, "environments")
        await driver.pilot.click(table, offset=(7, 1))
        assert table.grid.sort == "name"
        await driver.pilot.click(table, offset=(4, 4))
        assert table.cursor_index() == 2
        await driver.pilot.click(table, offset=(4, 4), times=2)
        await driver.settle()
        assert driver.app.current_mode == "layers"

    drive(app_of(small_store), steps)


def test_layers_files_and_a_preview(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("enter")
        assert driver.app.current_mode == "layers"
        layers, tree = driver.one(Table, "layers"), driver.one(FileTreeView)
        assert layers.count() > 3
        assert tree.count() > 0
        await driver.press("enter")
        assert tree.has_focus
        everything = len(list(tree.tree_state.root.walk()))
        await driver.press("t")
        assert len(list(tree.tree_state.root.walk())) < everything
        file = next(node for node in tree.tree_state.root.walk() if node.type == "f")
        await driver.press("slash", *file.name, "enter")
        tree.tree_state.cursor = file.path
        tree.changed()
        await driver.press("v")
        assert "sha256" in driver.text

    drive(app_of(small_store), steps, (120, 40))


def test_packages_tell_why_they_are_there(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("3")
        table = driver.one(Table, "packages")
        assert table.count() > 3
        await driver.press("a")
        assert all(row.cells[3].text for row in table.grid.shown())
        assert "the spec asks for it" in driver.one(Facts).text

    drive(app_of(small_store), steps, (120, 40))


def test_the_spec_is_checked_while_one_types_and_saved(own_store: Path) -> None:
    project = next(
        one for one in sorted((own_store / "projects").iterdir()) if (one / "envforge.toml").exists()
    )
    spec = project / "envforge.toml"

    async def steps(driver: Driver) -> None:
        await driver.press("6")
        problems = driver.one(Table, "problems")
        assert problems.count() == 0
        await driver.press("i", "n", "o", "enter")
        assert problems.count() > 0
        assert "not saved" in driver.text
        assert " ".join(driver.lines[-1].split()) == "esc Leave the editor ^s Save ^l Lock… ^q Quit f1 Keys"
        for keys in (["escape", "q"], ["ctrl+r"]):  # neither may lose what was typed
            await driver.press(*keys)
            assert "lost" in driver.text
            await driver.press("enter")
            assert "not saved" in driver.text
        driver.app.screen.renew()
        await driver.settle()
        assert "not saved" in driver.text, "an action does not lose it either"
        await driver.press("enter")
        await driver.press("ctrl+s")
        assert spec.read_text().startswith("no\n")
        assert "envforge" in driver.app.done[-1].command

    drive(app_of(own_store, project.name), steps)


def test_a_project_that_was_never_built_says_so_on_every_screen(own_store: Path) -> None:
    place = own_store / "projects/new"
    place.mkdir()
    spec = (own_store / "projects/p000/envforge.toml").read_text().replace('"p000"', '"new"')
    (place / "envforge.toml").write_text(spec)

    async def steps(driver: Driver) -> None:
        assert driver.app.subject.name == "new"
        assert "9 environments" in driver.text
        for key, text in (("1", "not built yet"), ("2", "not built yet"), ("3", "not locked yet")):
            await driver.press(key)
            assert text in driver.text, key
        await driver.press("4")
        assert "Nothing to compare yet" in driver.text
        assert not driver.said
        await driver.press("a")
        await driver.press("slash", *"p001", "enter")
        assert "Nothing to compare yet" in driver.text, "there is no generation of its own"
        await driver.press("d")
        await driver.press("slash", *"p002", "enter")
        assert "Packages: " in driver.text

    drive(app_of(own_store, "new"), steps)


def test_an_empty_store_says_how_to_begin(tmp_path: Path) -> None:
    async def steps(driver: Driver) -> None:
        assert "envforge init" in driver.text

    drive(app_of(tmp_path / "none"), steps)


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (59, 24), (80, 13)])
def test_a_terminal_that_is_too_small_says_so(small_store: Path, size: tuple[int, int]) -> None:
    async def steps(driver: Driver) -> None:
        assert "needs 60x14" in driver.text
        await driver.pilot.resize_terminal(80, 24)
        await driver.settle()
        assert "needs 60x14" not in driver.text
        assert "NAME" in driver.text

    drive(app_of(small_store), steps, size)


def test_every_binding_has_an_id_of_its_own_and_a_description() -> None:
    seen: dict[str, str] = {}
    for kind in _below(DOMNode):
        for binding in kind.__dict__.get("BINDINGS", ()) if kind.__module__.startswith("envforge.") else ():
            assert binding.id, binding
            assert binding.description, binding
            assert seen.setdefault(binding.id, kind.__name__) == kind.__name__
    assert len(seen) > 50


def _below(kind: type) -> list[type]:
    return [kind, *(one for below in kind.__subclasses__() for one in _below(below))]


def test_help_lists_every_key_of_the_screen(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("question_mark")
        assert isinstance(driver.app.screen, Help)
        for word in ("Build", "Filter", "Sort by next column", "Light / dark"):
            assert word in driver.text, word
        await driver.press("escape")
        assert not isinstance(driver.app.screen, Help)

    drive(app_of(small_store), steps, (120, 60))


def test_the_keys_at_the_bottom_fit_into_eighty_columns(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        for name in NAMES:
            driver.app.action_go(name)
            await driver.settle()
            for active in driver.app.screen.active_bindings.values():
                if active.binding.show:
                    assert f" {active.binding.description}" in driver.lines[-1], (name, driver.lines[-1])

    drive(app_of(small_store), steps)


def test_facts_that_do_not_fit_are_reached_by_keys(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        facts = driver.one(Facts)
        assert "asked for" in facts.text
        assert "asked for" not in driver.text
        await driver.press("tab", "end")
        assert facts.has_focus
        assert "asked for" in driver.text
        await driver.press("tab", "down")
        assert "environment " in driver.text, "another one is shown from its beginning"
        assert f"╭─ {driver.app.subject.name} ─" in driver.text

    drive(app_of(small_store, "p000"), steps)


def test_a_click_on_a_key_presses_it_and_the_last_ones_stay_where_it_is_narrow(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        assert driver.lines[-1].endswith("q Quit ? Keys")
        await driver.pilot.click(KeyBar, offset=(driver.lines[-1].index("Keys"), 0))
        await driver.settle()
        assert isinstance(driver.app.screen, Help)

    drive(app_of(small_store), steps, (60, 20))


def test_a_read_only_session_offers_nothing_that_changes(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        for name in NAMES:
            driver.app.action_go(name)
            await driver.settle()
            offered = {active.binding.action for active in driver.app.screen.active_bindings.values()}
            assert not offered & CHANGING
            assert " Build" not in driver.lines[-1]

    drive(app_of(small_store, read_only=True), steps)


def test_the_command_palette_does_what_keys_do(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("ctrl+p")
        await driver.pilot.pause(0.3)
        await driver.press(*"packages")
        await driver.pilot.pause(0.5)
        await driver.press("enter")
        await driver.pilot.pause(0.3)
        assert driver.app.current_mode == "packages"

    drive(app_of(small_store), steps)


def test_themes_change_and_are_kept(small_store: Path) -> None:
    memory = Memory()

    async def steps(driver: Driver) -> None:
        assert driver.app.theme == DARK
        await driver.press("T")
        assert driver.app.theme == LIGHT

    drive(app_of(small_store, memory=memory), steps)
    assert memory.theme == LIGHT


def test_it_comes_back_to_where_it_was_left(small_store: Path) -> None:
    first = app_of(small_store)

    async def leave(driver: Driver) -> None:
        await driver.press("s", "down", "slash", *"p001", "enter", "3")

    drive(first, leave)
    kept = first.remember()
    assert kept.screen == "packages"
    cursor = kept.tables["environments"].cursor

    async def back(driver: Driver) -> None:
        assert driver.app.current_mode == "packages"
        await driver.press("1")
        grid = driver.one(Table, "environments").grid
        assert (grid.sort, grid.filter, grid.cursor, grid.count) == ("name", "p001", cursor, 1)
        bar = driver.one(FilterBar)
        assert bar.display, "what hides the others is seen"
        await driver.press("escape")
        assert grid.count == 8
        assert not bar.display

    drive(app_of(small_store, memory=kept), back)


def test_copied_text_goes_to_the_terminal(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("y")
        assert driver.app.clipboard == f"sha256:{driver.app.subject.digest}"

    drive(app_of(small_store), steps)


def test_two_environments_are_compared_in_packages_files_and_contents(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("space", "space", "d")
        assert driver.app.current_mode == "diff"
        packages, files = driver.one(Table, "packages"), driver.one(Table, "files")
        assert packages.count() > 0
        await driver.press("f")
        assert files.has_focus
        changed = next(row for row in files.grid.rows if row.cells[0].text == "~")
        files.grid.cursor = changed.key
        files.changed()
        await driver.settle()
        assert "@@" in driver.text
        await driver.press("y")
        assert "diff --level file" in driver.app.clipboard
        assert any(" diff " in one.command for one in driver.app.done)

    drive(app_of(small_store), steps, (120, 40))


def test_without_marks_it_is_compared_with_its_generation_before(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("4")
        assert "generation 4 of p000" in driver.text
        await driver.press("a")
        await driver.press("slash", *"@2", "enter")
        assert "generation 2 of p000" in driver.text

    drive(app_of(small_store, "p000"), steps, (120, 40))


def test_un_ticking_roots_changes_what_would_be_freed_and_gc_can_be_undone(own_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("5")
        roots = driver.one(Table, "roots")
        before = roots.border_subtitle
        there = {row.cells[1].text for row in roots.grid.rows}
        await driver.press("space")
        assert roots.border_subtitle == before, "a current generation stays"
        await driver.press("down", "space")
        name = next(row.cells[1].text for row in roots.grid.rows if row.cells[0].text == "[ ]")
        assert roots.border_subtitle != before
        await driver.press("c")
        assert f"--drop {name}" in driver.app.screen._command
        await driver.press("enter")
        assert name in {row.cells[1].text for row in roots.grid.rows}, "enter means no"
        await driver.press("c", "y")
        assert name not in {row.cells[1].text for row in roots.grid.rows}
        await driver.press("u")
        assert {row.cells[1].text for row in roots.grid.rows} == there

    drive(app_of(own_store), steps, (120, 40))


def test_an_environment_is_kept_by_a_name_and_released(own_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("5")
        roots = driver.one(Table, "roots")
        await driver.press("p", "slash", *"demo", "enter")
        assert "root add" in driver.app.done[-1].command
        assert driver.app.done[-1].command.endswith("--name demo")
        pinned = next(row for row in roots.grid.rows if row.cells[3].text == "pin")
        assert pinned.cells[1].text == "demo"
        assert (own_store / "store/pins/demo.json").exists()
        roots.grid.cursor = pinned.key
        roots.changed()
        await driver.press("p", "y")
        assert "root rm demo" in driver.app.done[-1].command
        assert not (own_store / "store/pins/demo.json").exists()
        assert all(row.cells[3].text != "pin" for row in roots.grid.rows)

    drive(app_of(own_store), steps, (120, 40))


def test_space_is_told_by_kind_by_layer_and_by_package(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("5")
        kinds, layers, packages = (driver.one(Table, name) for name in ("kinds", "layers", "packages"))
        assert (kinds.display, layers.display, packages.display) == (True, False, False)
        await driver.press("v")
        assert layers.display
        assert layers.count() == SIZES.layers
        assert all(row.cells[0].text != "-" for row in layers.grid.rows if row.values[3])
        await driver.press("v")
        assert packages.display
        sizes = [row.values[1] for row in packages.grid.rows]
        assert sizes == sorted(sizes, reverse=True)
        assert any(row.cells[5].text for row in packages.grid.rows), "versions of the current locks"
        await driver.press("v")
        assert kinds.display

    drive(app_of(small_store), steps, (120, 40))


def test_a_comparison_is_saved_as_a_page(small_store: Path, home: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("4", "H")
        await driver.press("enter")
        page = (home / "envforge-diff.html").read_text()
        assert "<html" in page
        assert "generation 4 of p000" in page
        assert "--html" in driver.app.done[-1].command

    drive(app_of(small_store, "p000"), steps, (120, 40))


def test_the_store_is_checked(own_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("5", "F")
        assert "The store is whole" in driver.text

    drive(app_of(own_store), steps, (120, 40))


def test_going_back_is_looked_at_first(own_store: Path) -> None:
    spec = own_store / "projects/p000/envforge.toml"
    before = spec.read_text()

    async def steps(driver: Driver) -> None:
        await driver.press("r")
        assert "5 (current)" in driver.text or "(current)" in driver.text
        await driver.press("down", "enter")
        assert "Go back to generation 4" in driver.text
        assert "rollback 4" in driver.text
        assert "Packages: 4 added, 4 removed, 4 changed" in driver.text
        assert "~ pkg-000 1.2-1 → 1.1-1" in driver.text
        await driver.press("n")
        assert spec.read_text() == before
        await driver.press("r", "down", "enter", "y")
        assert spec.read_text() != before
        assert "rollback 4" in driver.app.done[-1].command

    drive(app_of(own_store, "p000"), steps, (120, 40))


def test_a_timer_that_was_replaced_on_its_way_does_nothing(small_store: Path) -> None:
    rung = []

    async def steps(driver: Driver) -> None:
        late = []
        for text in ("first", "second"):
            driver.app.at_rest("test", 60, partial(rung.append, text))
            late.append(driver.app._resting["test"]._callback)
        for callback in late:
            callback()

    drive(app_of(small_store), steps)
    assert rung == ["second"]


def test_names_of_others_are_no_markup(small_store: Path) -> None:
    name = "/opt/[/bold]a[red]b\x1b[2J"

    async def steps(driver: Driver) -> None:
        driver.app.read(name, [Cell(name)])
        await driver.settle()
        assert driver.text.count(r"/opt/[/bold]a[red]b\x1b[2J") == 2, "as a title, and as a text"

    drive(app_of(small_store), steps)


def test_what_was_done_is_listed_as_commands_to_copy(small_store: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("4", "o")
        assert " diff" in driver.text
        await driver.press("y")
        assert driver.app.clipboard.startswith("envforge ")
        assert driver.app.clipboard.endswith(" diff")
        await driver.press("escape")

    drive(app_of(small_store), steps, (120, 40))


def test_a_failure_is_told_with_its_hint(own_store: Path) -> None:
    (own_store / "projects/p003/envforge.toml").unlink()

    async def steps(driver: Driver) -> None:
        await driver.press("slash", *"p003", "enter", "b")
        assert driver.app.job.state == "failed"
        assert "envforge.toml" in "\n".join(driver.app.job.lines)

    drive(app_of(own_store), steps, (120, 40))


def test_a_job_is_cancelled_at_its_next_step(small_store: Path) -> None:
    started, go_on = threading.Event(), threading.Event()

    def work(listener: Listener) -> None:
        listener(Stage("configuring", total_items=2))
        started.set()
        assert go_on.wait(20)
        listener(Item("tzdata"))

    async def steps(driver: Driver) -> None:
        driver.app.start("build shop", "envforge build", work, lambda _result: None)
        await driver.pilot.pause(0.3)
        assert started.wait(60)
        assert "configuring" in driver.text
        await driver.pilot.press("escape", "3")
        await driver.pilot.pause(0.5)
        assert "build shop" in driver.text, "it goes on beside the other screens"
        await driver.pilot.press("x")
        go_on.set()
        await driver.settle()
        assert driver.app.job.state == "cancelled"

    drive(app_of(small_store), steps, (120, 40))
