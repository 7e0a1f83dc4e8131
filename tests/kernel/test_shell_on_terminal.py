"""A shell inside on a real terminal: its jobs, its exit code, and what the caller's shell finds then."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import web
from attrs import evolve
from commandline import CommandLine
from small_archive import Archive
from small_system import add_system, built, new_project

from tests.tui.terminal import Terminal

pytestmark = [
    pytest.mark.userns,
    pytest.mark.one_plain_user,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
    pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux"),
]
USERS = [
    pytest.param("root", marks=pytest.mark.root),
    pytest.param("range_user", marks=pytest.mark.ranges),
    pytest.param("plain_user", marks=pytest.mark.plain_user),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve an archive with a system whose shell is the host's dash."""
    archive = Archive(tmp_path_factory.mktemp("archive"))
    add_system(archive)
    archive.publish()
    with web.serving(archive.path) as server:
        yield server.url


@pytest.fixture(params=USERS)
def line(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Iterator[CommandLine]:
    """A project that is built, of each kind of user in turn."""
    if request.param == "root":
        made = new_project(tmp_path, url, [])
    else:
        user = request.getfixturevalue(request.param)
        made = new_project(Path(user.home), url, [])
        if os.geteuid() != user.uid:
            subprocess.run(["chown", "-R", f"{user.uid}:{user.gid}", user.home], check=True)
            made = evolve(made, before=("runuser", "-u", user.name, "--", "env", f"HOME={made.home}"))
    built(made)
    yield made
    made.run("store", "destroy", "--yes")


@pytest.fixture
def terminal(line: CommandLine, tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path, line.home)
    made.type(f"cd {shlex.quote(str(line.directory))}")
    yield made
    made.end()


def shell(line: CommandLine, *words: str) -> str:
    return shlex.join(line.words("shell", "--", *words))


def test_a_shell_gives_its_own_code_and_the_terminal_back(line: CommandLine, terminal: Terminal) -> None:
    terminal.type(f"{shell(line, 'sh')}; echo gave=$?")
    terminal.type("echo inside=$((20+1))")
    terminal.wait("inside=21", 60)
    terminal.type("exit 3")
    shown = terminal.wait("gave=3")
    assert "process group" not in shown
    terminal.is_whole()


def test_a_shell_inside_has_jobs(line: CommandLine, terminal: Terminal) -> None:
    terminal.type(f"{shell(line, '/bin/sh', '-i')}; echo gave=$?")
    terminal.type("echo inside=$((20+1))")
    terminal.wait("inside=21", 60)
    terminal.type("cat")
    terminal.type("typed")
    terminal.press("C-z")
    terminal.wait("Stopped")
    terminal.type("fg")
    terminal.type("typed again")
    terminal.press("C-c")
    terminal.type("echo interrupted=$((100+30))")
    terminal.wait("interrupted=130")
    terminal.type("exit 4")
    terminal.wait("gave=4")


def test_a_script_reads_from_the_terminal_after_the_shell_has_ended(
    line: CommandLine, terminal: Terminal, tmp_path: Path
) -> None:
    """The script's own group has to be in the foreground again: else the next read would stop it."""
    script = tmp_path / "script"
    script.write_text(f"{shell(line, 'sh')}\necho ask${{empty}}ed\nread answer\necho answer=$answer\n")
    terminal.type(f"sh {shlex.quote(str(script))}")
    terminal.type("echo inside=$((20+1))")
    terminal.wait("inside=21", 60)
    terminal.type("exit")
    terminal.wait("asked", 60)  # what is typed earlier is the shell's
    terminal.type("well")
    terminal.wait("answer=well")
    terminal.is_whole()
