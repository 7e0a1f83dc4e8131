"""The Containers screen over containers that run: what it shows, what its keys do, what it never obeys."""

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from box import Box
from capabilities import PROBES
from containers import COMMAND, Harbour, build
from driving import Driver, Steps
from processes import wait_until
from terminal import Terminal

from envforge.tui.app import EnvforgeApp
from envforge.tui.core.commands import Commands
from envforge.tui.core.memory import Memory
from envforge.tui.plain import lines
from envforge.tui.screens.containers import ContainersScreen
from envforge.tui.widgets.dialogs import Confirm
from envforge.tui.widgets.facts import Facts
from envforge.tui.widgets.log_view import LogView
from envforge.tui.widgets.table import Table

pytestmark = pytest.mark.userns

HOSTILE = "printf 'a\\033[31mred\\033[0m\\033]0;OWNED\\007\\033]52;c;T1dORUQ=\\007[bold]b[/bold]\\r\\nend\\n'"


@pytest.fixture
def harbour(home: Path) -> Iterator[Harbour]:
    """Lend a place for this user's containers; all are removed in the end, and nothing may be left."""
    if missing := PROBES["busybox"]():
        pytest.skip(f"needs busybox: {missing}")
    place = tempfile.mkdtemp(prefix="envforge-tui-", dir="/var/tmp")
    words = ["env", "-i", f"HOME={home}", f"PATH={os.environ['PATH']}", "LANG=C.UTF-8"]
    one = build(Box(place, os.getuid(), "own", lambda command: [*words, *command]))
    yield one
    ids = one.succeed("ps", "-aq").split()
    if ids:
        one.succeed("rm", "-f", *ids)
    assert one.leftovers() == []
    shutil.rmtree(place, ignore_errors=True)


def show(harbour: Harbour, steps: Steps, size: tuple[int, int] = (120, 40), **options: object) -> None:
    """Run the app, go to the screen, take the steps."""

    async def run() -> None:
        store = harbour.box.store
        app = EnvforgeApp(store, Commands(store), Memory(), **options)
        async with app.run_test(size=size) as pilot:
            driver = Driver(app, pilot)
            await driver.settle()
            await driver.press("7")
            await until(driver, lambda: "running" in driver.text or "No containers" in driver.text)
            await steps(driver)

    asyncio.run(run())


async def until(driver: Driver, holds: Callable[[], bool], timeout_s: float = 20) -> None:
    """Wait until something holds."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, driver.text
        await driver.pilot.pause(0.05)


def put(driver: Driver, name: str) -> None:
    """Put the cursor on a container."""
    table = driver.one(Table, "containers")
    table.grid.cursor = next(row.key for row in table.grid.rows if row.cells[1].text.endswith(f" {name}"))
    table.changed()


def log_of(driver: Driver) -> LogView:
    return driver.one(LogView, "container-log")


def test_it_tells_what_runs_what_it_uses_and_what_it_says(harbour: Harbour) -> None:
    harbour.start("-p", "127.0.0.1:auto:80", name="web", script="while :; do echo tick; sleep 0.2; done")
    harbour.start(name="job", script="echo done; exit 3")
    harbour.await_status("job", "exited")

    async def steps(driver: Driver) -> None:
        assert "2 containers, 1 running" in driver.text
        assert "1 of 2 run" in driver.text
        assert "exited 3" in driver.text
        put(driver, "web")
        await until(driver, lambda: "tick" in log_of(driver).text)
        before = len(log_of(driver).log_lines.lines)
        await until(driver, lambda: len(log_of(driver).log_lines.lines) > before + 2)
        await until(driver, lambda: "%" in driver.one(Facts).text)
        facts = driver.one(Facts).text
        assert "->80/tcp  http://127.0.0.1:" in facts
        assert "processes: " in facts
        put(driver, "job")
        await until(driver, lambda: log_of(driver).text == "done")
        await driver.press("g")
        assert "containers: 2, 1 running" in driver.one(Facts).text

    show(harbour, steps)


def test_the_same_facts_as_text(harbour: Harbour) -> None:
    harbour.start("-p", "127.0.0.1:auto:80", name="web")
    told = list(lines(harbour.box.store))
    assert "Containers: 1 container, 1 running" in told
    line = next(one for one in told if "web" in one)
    assert line.startswith(" ● web, status up just now, memory ")
    assert "→80" in line


def test_a_container_that_comes_or_goes_meanwhile_is_seen(harbour: Harbour) -> None:
    async def steps(driver: Driver) -> None:
        assert "envforge run -d --name web" in driver.text
        harbour.start(name="late")
        await until(driver, lambda: "late" in driver.text)
        harbour.succeed("rm", "-f", "late")
        await until(driver, lambda: "No containers yet" in driver.text)

    show(harbour, steps, (60, 20))


def test_stop_start_restart_and_remove(harbour: Harbour) -> None:
    harbour.start(name="one", script="trap 'exit 0' TERM; while :; do sleep 0.05; done")
    harbour.start("--rm", name="two", script="trap 'exit 0' TERM; while :; do sleep 0.05; done")

    async def steps(driver: Driver) -> None:
        put(driver, "one")
        await driver.press("t")
        await until(driver, lambda: harbour.state("one")["status"] == "exited")
        await until(driver, lambda: "exited 0" in driver.text)
        await driver.press("a")
        await until(driver, lambda: harbour.state("one")["status"] == "running")
        await driver.settle()
        pid = harbour.state("one")["pid"]
        await driver.press("r")
        await until(driver, lambda: harbour.state("one")["pid"] not in {0, pid})
        await driver.settle()
        put(driver, "two")
        await driver.press("t")
        assert isinstance(driver.app.screen, Confirm), "it goes with its end"
        assert "removed once stopped" in driver.text
        await driver.press("n", "g", "D")
        assert isinstance(driver.app.screen, Confirm)
        assert "Remove 2 containers?" in driver.text
        assert "rm -f" in driver.text
        await driver.press("enter")
        assert len(harbour.succeed("ps", "-aq").split()) == 2, "enter means no"
        await driver.press("D", "y")
        await until(driver, lambda: not harbour.succeed("ps", "-aq"))
        await until(driver, lambda: "No containers yet" in driver.text)
        assert [one.command.split()[3] for one in driver.app.done] == ["stop", "start", "restart", "rm"]

    show(harbour, steps)


def test_a_command_that_is_gone_is_told(harbour: Harbour) -> None:
    harbour.start(name="odd", script="rm /bin/sh 2>/dev/null; exit 0")
    harbour.await_status("odd", "exited")

    async def steps(driver: Driver) -> None:
        put(driver, "odd")
        await driver.press("e")
        assert "does not run" in driver.said
        harbour.succeed("rm", "odd")
        await driver.press("a")
        await until(driver, lambda: "no container" in driver.said)

    show(harbour, steps)


def test_the_log_is_filtered_scrolled_and_copied(harbour: Harbour) -> None:
    harbour.start(
        name="web", script="i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; done; sleep 600"
    )

    async def steps(driver: Driver) -> None:
        put(driver, "web")
        log = log_of(driver)
        await until(driver, lambda: "line 300" in driver.text)
        await driver.press("enter")
        assert log.has_focus
        await driver.press("slash", *"line 29", "enter")
        assert log.has_focus
        assert "13 of 300 lines" in driver.text
        await driver.press("y")
        assert driver.app.clipboard.splitlines()[0] == "line 29"
        await driver.press("slash", "escape", "g")
        assert not log.follows
        assert "line 1" in driver.text
        assert "f: follow" in driver.text
        await driver.press("f")
        assert "line 300" in driver.text
        await driver.press("k")
        assert not log.follows
        await driver.press("G", "l")
        assert log.follows
        assert not driver.one(Table, "containers").display

    show(harbour, steps, (80, 24))


def test_a_port_is_opened_where_there_is_a_display_and_copied_else(
    harbour: Harbour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harbour.start("-p", "127.0.0.1:auto:80", name="web")
    opened = tmp_path / "opened"
    program = tmp_path / "bin" / "xdg-open"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho noise; echo "$1" >{shlex.quote(str(opened))}\n')
    program.chmod(0o755)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    async def steps(driver: Driver) -> None:
        put(driver, "web")
        await driver.press("p")
        port = harbour.state("web")["ports"][0]["host"]
        assert driver.app.clipboard == f"http://127.0.0.1:{port}/"
        monkeypatch.setenv("DISPLAY", ":9")
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        await driver.press("p")
        await until(driver, opened.exists)
        await until(driver, lambda: opened.read_text() == f"http://127.0.0.1:{port}/\n")

    show(harbour, steps)


def test_without_changing_nothing_can_be_ended(harbour: Harbour) -> None:
    harbour.start(name="web")

    async def steps(driver: Driver) -> None:
        put(driver, "web")
        await driver.press("t", "D", "r", "e", "a")
        assert " Stop" not in driver.text
        assert isinstance(driver.app.screen, ContainersScreen)
        assert not driver.app.done

    show(harbour, steps, read_only=True)
    assert harbour.state("web")["status"] == "running"


def test_nothing_is_looked_at_while_another_screen_is_shown(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    from envforge.tui.watching import LogReader, Watcher

    harbour.start(name="web")
    looks: list[str] = []

    async def steps(driver: Driver) -> None:
        for kind, name in ((Watcher, "look"), (LogReader, "read")):
            real = getattr(kind, name)
            monkeypatch.setattr(kind, name, lambda one, real=real, name=name: looks.append(name) or real(one))
        await until(driver, lambda: {"look", "read"} <= set(looks))
        await driver.press("1")
        looks.clear()
        await driver.pilot.pause(1.6)
        assert looks == []
        await driver.press("7")
        await until(driver, lambda: "look" in looks)

    show(harbour, steps)


def test_the_first_screen_loads_nothing_of_it() -> None:
    code = (
        "import sys\nfrom envforge.tui import app\n"
        "print(*(name for name in sys.modules if 'containers' in name and name.startswith('envforge')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_what_a_container_writes_never_reaches_the_terminal(harbour: Harbour) -> None:
    harbour.start(name="foe", script=f"{HOSTILE}; sleep 600; : '\033]0;OWNED\007[red]'")

    async def steps(driver: Driver) -> None:
        put(driver, "foe")
        await until(driver, lambda: log_of(driver).text == "ared[bold]b[/bold]\nend")
        for screen in ("", "v", "D"):
            await driver.press(*([screen] if screen else []))
            raw = [
                segment.text for strip in driver.app.screen._compositor.render_strips() for segment in strip
            ]
            assert all(text.isprintable() for text in raw), raw
        assert "[red]" in driver.one(Facts).text if driver.app.screen.query(Facts) else True

    show(harbour, steps, (80, 24))


@pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")
def test_a_shell_inside_in_a_real_terminal_and_back(harbour: Harbour, home: Path, tmp_path: Path) -> None:
    harbour.start(name="web", script=f"{HOSTILE}; sleep 600")
    terminal = Terminal(tmp_path, home, 100, 30)
    try:
        terminal.type(f"{shlex.join([COMMAND, '--store', harbour.box.store, 'tui'])}; echo gave=$?")
        terminal.wait("No environments yet")
        terminal.press("7")
        terminal.wait("1 container, 1 running")
        terminal.press("j")
        terminal.wait("[bold]b[/bold]")
        title = terminal.tmux("display-message", "-p", "#{pane_title}")
        assert "OWNED" not in title
        terminal.press("e")
        wait_until(lambda: "1 container" not in terminal.text, 30)
        terminal.type("echo inside=$((20+1)); exit 5")
        terminal.wait("back from web, whose shell gave 5", 30)
        assert "1 container, 1 running" in terminal.text
        terminal.press("q")
        terminal.wait("gave=0")
        terminal.is_whole()
    finally:
        terminal.end()
