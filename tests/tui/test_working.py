"""The real thing in a real terminal: built with its progress on the screen, entered, come back from."""

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import web
from commandline import COMMAND, CommandLine
from processes import wait_until
from small_archive import Archive
from small_system import add_system, new_project
from terminal import Terminal

pytestmark = [
    pytest.mark.userns,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
    pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux"),
]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[CommandLine]:
    """Write a project that was never built, and serve what it needs."""
    archive = Archive(tmp_path / "archive")
    add_system(archive)
    archive.publish()
    with web.serving(archive.path) as server:
        line = new_project(tmp_path, server.url, [])
        with (line.directory / "envforge.toml").open("a", encoding="utf-8") as spec:
            spec.write('[shell]\ncommand = ["sh"]\n')
        yield line
        line.run("store", "destroy", "--yes")


def test_it_is_built_and_entered_and_comes_back_to_where_it_was(project: CommandLine, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, project.home)
    try:
        terminal.type(f"cd {project.directory}")
        terminal.type(f"{shlex.join([COMMAND, '--store', str(project.store), 'tui'])}; echo gave=$?")
        terminal.wait("not built")
        terminal.press("b")
        terminal.wait("built", 120)
        terminal.wait("1 environment")
        terminal.press("3")
        terminal.wait("ASKED FOR")
        terminal.press("e")
        wait_until(lambda: "ASKED FOR" not in terminal.text, 60)
        terminal.type("echo inside=$((20+1)) && cat /etc/hostname; exit 3")
        terminal.wait("back from the shell", 60)  # dash gives 2, not 3, where its group has no number inside
        assert "ASKED FOR" in terminal.text
        terminal.press("o")
        assert " shell" in terminal.wait("COMMAND")
        terminal.press("escape")
        wait_until(lambda: "COMMAND" not in terminal.text, 20)
        terminal.press("q")
        terminal.wait("gave=0")
        terminal.is_whole()
    finally:
        terminal.end()
