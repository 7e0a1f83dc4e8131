"""The real command in a real terminal (tmux): keys typed, the screen read, the terminal whole afterwards."""

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import COMMAND
from processes import wait_until
from terminal import Terminal

pytestmark = pytest.mark.skipif(
    subprocess.run(["which", "tmux"], capture_output=True, check=False).returncode != 0, reason="needs tmux"
)


COUNTED = "8 environments"
GREYS = (0, 7, 8, 15, 16, 59, 102, 145, 188, 231)
"""Those of the first colours of a terminal, and of its cube."""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    place = tmp_path / "terminal"
    place.mkdir()
    one = Terminal(place)
    yield one
    one.end()


def started(terminal: Terminal, store: Path, *options: str) -> int:
    """Start the TUI, wait for its first screen, return its pid."""
    words = shlex.join([COMMAND, "--store", f"{store}/store", "tui", *options])
    terminal.type(f"{words}; echo gave=$?")
    terminal.wait(COUNTED)
    pane = terminal.tmux("display-message", "-p", "#{pane_pid}").strip()
    return int(
        subprocess.run(["pgrep", "-P", pane], capture_output=True, text=True, check=True).stdout.split()[0]
    )


def test_quitting_leaves_the_terminal_as_it_was(terminal: Terminal, small_store: Path) -> None:
    started(terminal, small_store)
    terminal.press("3")
    terminal.wait("asked for")
    terminal.press("q")
    terminal.wait("gave=0")
    terminal.is_whole()


def test_a_second_start_comes_back_to_the_same_screen(terminal: Terminal, small_store: Path) -> None:
    started(terminal, small_store)
    terminal.press("3")
    terminal.wait("asked for")
    terminal.press("q")
    terminal.wait("gave=0")
    terminal.type("clear")
    terminal.type(shlex.join([COMMAND, "--store", f"{small_store}/store", "tui"]) + "; echo again=$?")
    terminal.wait("asked for")
    terminal.press("q")
    terminal.wait("again=0")
    terminal.is_whole()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(
    terminal: Terminal, small_store: Path, number: signal.Signals
) -> None:
    pid = started(terminal, small_store)
    os.kill(pid, number)
    terminal.wait(f"gave={128 + number}")
    terminal.is_whole()


def test_a_crash_leaves_the_terminal_as_it_was_and_shows_the_bug(
    terminal: Terminal, small_store: Path, tmp_path: Path
) -> None:
    script = tmp_path / "crashing.py"
    script.write_text(
        "import sys\n"
        "from envforge.tui.screens.environments import EnvironmentsScreen\n"
        "def broken(self):\n    raise RuntimeError('made to crash')\n"
        "EnvironmentsScreen.action_copy = broken\n"
        "from envforge.tui import start\n"
        "sys.exit(start.run(sys.argv[1]))\n"
    )
    python = os.path.join(os.path.dirname(COMMAND), "python")
    terminal.type(f"{shlex.join([python, str(script), f'{small_store}/store'])}; echo gave=$?")
    terminal.wait(COUNTED)
    terminal.press("y")
    terminal.wait("gave=1")
    assert "made to crash" in terminal.text
    terminal.is_whole()


def test_without_a_terminal_it_says_what_to_use(small_store: Path) -> None:
    done = subprocess.run(
        [COMMAND, "--store", f"{small_store}/store", "tui"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 33
    assert "--plain" in done.stderr


def test_a_dumb_terminal_is_refused(terminal: Terminal, small_store: Path) -> None:
    terminal.type(
        f"TERM=dumb {shlex.join([COMMAND, '--store', f'{small_store}/store', 'tui'])}; echo gave=$?"
    )
    assert "TERM is dumb" in terminal.wait("gave=33")


def test_it_can_be_resized(terminal: Terminal, small_store: Path) -> None:
    started(terminal, small_store)
    terminal.tmux("resize-window", "-x", "20", "-y", "5")
    terminal.wait("too small")
    terminal.tmux("resize-window", "-x", "100", "-y", "30")
    terminal.wait(COUNTED)
    terminal.press("q")
    terminal.wait("gave=0")


def test_what_is_copied_reaches_the_terminal(terminal: Terminal, small_store: Path) -> None:
    terminal.tmux("set-option", "-g", "set-clipboard", "on")
    started(terminal, small_store)
    terminal.press("y")
    wait_until(lambda: "sha256:" in _buffer(terminal))
    terminal.press("q")
    terminal.wait("gave=0")


def _buffer(terminal: Terminal) -> str:
    try:
        return terminal.tmux("show-buffer")
    except subprocess.CalledProcessError:
        return ""


def test_without_colours_nothing_is_coloured(terminal: Terminal, small_store: Path) -> None:
    terminal.type("export NO_COLOR=1")
    started(terminal, small_store)
    raw = terminal.tmux("capture-pane", "-p", "-e")
    numbers = {int(number) for number in re.findall(r"[34]8;5;(\d+)", raw)}
    assert all(number >= 232 or number in GREYS for number in numbers), numbers
    assert not re.search(r"\x1b\[(?:3[1-7]|4[1-7]|9\d|10\d)m", raw)
    terminal.press("q")
    terminal.wait("gave=0")


def test_a_read_only_session_shows_no_build(terminal: Terminal, small_store: Path) -> None:
    started(terminal, small_store, "--read-only")
    assert " Build" not in terminal.text
    terminal.press("b")
    time.sleep(0.3)
    terminal.press("q")
    terminal.wait("gave=0")
