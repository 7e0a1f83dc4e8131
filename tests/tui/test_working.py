"""The real thing in a real terminal: built with its progress on the screen, entered, come back from."""

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import debs
import pytest
import web
from commandline import COMMAND, CommandLine
from processes import wait_until
from small_archive import Archive
from small_system import add_system, new_project
from terminal import Terminal

pytestmark = [
    pytest.mark.userns,
    pytest.mark.one_kind,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
    pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux"),
]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[CommandLine]:
    """Write a project that was never built, and serve what it needs."""
    archive = Archive(tmp_path / "archive")
    add_system(archive)
    archive.add("one", data=[debs.member("./usr/share/one/"), debs.member("./usr/share/one/1", b"one\n")])
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
        terminal.wait("layers built", 120)
        terminal.wait("1 environment")
        terminal.press("3")
        terminal.wait("ASKED FOR")
        terminal.press("e")
        wait_until(lambda: "ASKED FOR" not in terminal.text, 60)
        terminal.type("echo inside=$((20+1)) && cat /etc/hostname; exit 3")
        terminal.wait("back from the shell, which gave 3", 60)
        assert "ASKED FOR" in terminal.text
        terminal.press("o")
        assert " shell" in terminal.wait("COMMAND")
        terminal.press("escape")
        wait_until(lambda: "COMMAND" not in terminal.text, 20)
        project.succeed("run", "-d", "--name", "web", "--", "sh", "-c", "echo new > /etc/new; exec sleep 600")
        terminal.press("7")
        terminal.wait("1 container, 1 running")
        terminal.press("d")
        terminal.wait("the container web", 60)
        terminal.wait("/etc/new")  # no package differs, so files are shown at once
        terminal.wait("+new", 60)
        project.succeed("rm", "-f", "web")
        terminal.press("q")
        terminal.wait("gave=0")
        terminal.is_whole()
    finally:
        terminal.end()


def test_a_spec_is_edited_locked_for_a_look_allowed_and_built(project: CommandLine, tmp_path: Path) -> None:
    """The lock's change is shown before it is written; what the spec wants of the host is asked for."""
    spec = project.directory / "envforge.toml"
    wanted = tmp_path / "wanted"
    wanted.mkdir()
    (wanted / "there").touch()
    project.succeed("build")
    lock = project.directory / "envforge.lock"
    before = lock.read_bytes()
    spec.write_text(
        spec.read_text().replace("packages = []", 'packages = ["one"]')
        + f'\n[[mounts]]\nsource = "{wanted}"\ntarget = "/mnt"\n'
    )
    terminal = Terminal(tmp_path, project.home)
    try:
        terminal.type(f"cd {project.directory}")
        terminal.type(f"{shlex.join([COMMAND, '--store', str(project.store), 'tui'])}; echo gave=$?")
        terminal.wait("1 environment")
        terminal.press("6")
        terminal.wait("the spec is good")
        terminal.press("l")
        terminal.wait("Save, and write the lock?", 60)
        assert "one" in terminal.text
        assert lock.read_bytes() == before
        terminal.press("y")
        wait_until(lambda: lock.read_bytes() != before, 60)
        terminal.press("1")
        terminal.wait("1 environment")
        terminal.press("b")
        wait_until(lambda: len(_generations(project)) == 2, 120)
        terminal.press("e")
        terminal.wait("Allow it?", 60)
        assert "see and change" in " ".join(terminal.text.split())  # a long path is wrapped behind it
        terminal.press("n")
        wait_until(lambda: "Allow it?" not in terminal.text, 20)
        terminal.press("e")
        terminal.wait("Allow it?", 60)
        terminal.press("y")
        wait_until(lambda: "Envs" not in terminal.text, 120)
        terminal.type("cat /mnt/there; exit 0")
        terminal.wait("back from the shell, which gave 0", 60)
        terminal.press("q")
        terminal.wait("gave=0")
    finally:
        terminal.end()


def _generations(project: CommandLine) -> list[object]:
    return json.loads(project.succeed("history", "--json"))


def test_a_damaged_store_is_named_on_entering_and_repaired(project: CommandLine, tmp_path: Path) -> None:
    project.succeed("build")
    spec = project.directory / "envforge.toml"
    spec.write_text(spec.read_text().replace("packages = []", 'packages = ["one"]'))
    project.succeed("lock")
    listing = max(project.store.glob("layers/*/*/listing"), key=lambda path: path.stat().st_size)
    data = bytearray(listing.read_bytes())
    data[len(data) // 2] ^= 1
    listing.write_bytes(data)
    terminal = Terminal(tmp_path, project.home)
    try:
        terminal.type(f"cd {project.directory}")
        terminal.type(f"{shlex.join([COMMAND, '--store', str(project.store), 'tui'])}; echo gave=$?")
        terminal.wait("1 environment")
        terminal.press("e")
        terminal.wait("Repair the store?", 60)
        assert f"layer {listing.parent.name[:12]}" in " ".join(terminal.text.split())
        terminal.press("y")
        wait_until(lambda: "Envs" not in terminal.text, 120)
        terminal.type("cat /usr/share/one/1; exit 0")
        terminal.wait("back from the shell, which gave 0", 60)
        terminal.press("q")
        terminal.wait("gave=0")
        project.succeed("fsck", "--full")
    finally:
        terminal.end()
