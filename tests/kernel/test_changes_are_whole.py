"""What changes files or a store does so as a whole, and waits for nobody's harm."""

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import web
from commandline import CommandLine
from processes import running, wait_until
from small_archive import Archive
from small_system import add_system, new_project

from envforge.store import holds
from envforge.store.layout import open_store

pytestmark = [
    pytest.mark.userns,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]


SLOWLY = f"3.{os.getpid():07d}"
"""How long a script takes, in seconds: nobody else's of another run that goes on beside."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    made = Archive(tmp_path_factory.mktemp("archive"))
    add_system(made)
    made.add("one")
    made.add("slow", members={"postinst": f"#!/bin/sh\nsleep {SLOWLY}\n"})
    made.publish()
    return made


@pytest.fixture
def line(archive: Archive) -> Iterator[CommandLine]:
    top = Path("/var/tmp") / f"envforge-test-whole-{os.getpid()}"
    with web.serving(archive.path) as server:
        line = new_project(top, server.url, [])
        yield line
    line.run("store", "destroy", "--yes")
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def standing(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A project that is built twice, in a store that stays."""
    with web.serving(archive.path) as server:
        line = new_project(tmp_path_factory.mktemp("standing"), server.url, [])
        for _ in range(2):
            line.succeed("build")
        yield line
    line.succeed("store", "destroy", "--yes")


@pytest.mark.root
@pytest.mark.parametrize("busy", ["envforge.toml", "envforge.lock"])
def test_add_writes_the_spec_and_the_lock_or_neither(line, busy):
    """A file that another one is mounted over can be written, yet nothing can take its place."""
    line.succeed("lock")
    before = {path.name: path.read_bytes() for path in line.directory.iterdir()}
    target = str(line.directory / busy)
    subprocess.run(["mount", "--bind", target, target], check=True)
    try:
        result = line.run("add", "one")
        assert result.returncode not in {0, 1}, result.stderr
        assert {path.name: path.read_bytes() for path in line.directory.iterdir()} == before
    finally:
        subprocess.run(["umount", target], check=True)
    line.succeed("add", "one")
    assert '"one"' in (line.directory / "envforge.toml").read_text()
    line.succeed("lock", "--check")


def test_a_store_is_not_destroyed_while_it_is_built_in(line):
    line.succeed("add", "slow")
    building = subprocess.Popen(
        line.words("build"), cwd=line.directory, env=line.variables(), stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: running("sleep", SLOWLY))
        assert "used" in line.fail(19, "store", "destroy", "--yes")
    finally:
        assert building.wait(60) == 0
    line.succeed("store", "destroy", "--yes")
    assert not line.store.exists()


@pytest.mark.one_plain_user
def test_a_running_build_holds_what_it_uses_until_its_environment_is_noted(line):
    line.succeed("build")
    store = open_store(str(line.store))
    layers = {path.name for path in line.store.glob("layers/*/*")}
    line.succeed("add", "slow")
    building = subprocess.Popen(
        line.words("build"), cwd=line.directory, env=line.variables(), stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: running("sleep", SLOWLY))
        with holds.collecting(store) as held:
            pass
        assert {path.name for path in line.store.glob("trees/*/*")} <= held
        assert {path.name for path in line.store.glob("layers/*/*")} - layers <= held
        assert layers & held  # the base was found
    finally:
        assert building.wait(60) == 0
    assert os.listdir(line.store / "holds") == []


@pytest.mark.one_plain_user
def test_a_store_is_not_destroyed_while_it_is_verified(line):
    line.succeed("add", "slow")
    line.succeed("build")
    verifying = subprocess.Popen(
        line.words("verify"), cwd=line.directory, env=line.variables(), stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: running("sleep", SLOWLY))
        assert "used" in line.fail(19, "store", "destroy", "--yes")
    finally:
        assert verifying.wait(60) == 0


@pytest.mark.one_kind
@pytest.mark.parametrize("words", ["build", "lock --upgrade", "run id", "verify", "ci", "ls", "show", "tree"])
def test_every_command_waits_while_the_store_is_destroyed(standing, words):
    line = standing
    with open(line.directory / "envforge.toml", "a") as spec:
        spec.write("#\n")  # so that nothing is answered warm
    with open(line.store / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = subprocess.Popen(
            line.words(*words.split()), cwd=line.directory, env=line.variables(), stdout=subprocess.DEVNULL
        )
        wait_until(lambda: is_waiting(command.pid))
    assert command.wait(60) == 0


def is_waiting(pid: int) -> bool:
    """Say whether a process waits for somebody's flock (proc_locks(5))."""
    waiting = (line.split() for line in Path("/proc/locks").read_text().splitlines() if " -> " in line)
    return str(pid) in {words[5] for words in waiting}


@pytest.mark.one_plain_user
def test_commands_that_come_while_a_store_is_destroyed_make_a_new_one(line):
    line.succeed("build")
    for _ in range(5):
        destroying = subprocess.Popen(line.words("store", "destroy", "--yes"), env=line.variables())
        assert json.loads(line.succeed("build", "--json"))["name"] == "small"
        assert destroying.wait(60) in {0, 19}


def test_a_store_is_not_destroyed_while_somebody_is_inside(line):
    line.succeed("build")
    inside = subprocess.Popen(
        line.words("run", "sleep", "60"), cwd=line.directory, env=line.variables(), stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: os.listdir(line.store / "uppers"))
        time.sleep(0.2)
        assert "in use" in line.fail(19, "store", "destroy", "--yes")
    finally:
        inside.terminate()
        inside.wait(60)
    line.succeed("store", "destroy", "--yes")


@pytest.mark.one_kind
def test_what_locking_made_before_the_machine_stopped_is_not_trusted(line):
    """A mark of another boot says that bytes published since may be missing from the disk."""
    line.succeed("lock")
    assert os.listdir(line.store / "unsynced") == []
    made = {path.name: path.stat().st_ino for path in (line.store / "tools").iterdir()}
    mark = line.store / "unsynced" / f"{'0' * 32}-1"
    for name in made:  # renamed after the mark was made, as by a lock that the power cut ended
        os.rename(line.store / "tools" / name, line.store / "tools" / f"{name}.aside")
    mark.touch()
    time.sleep(0.05)
    for name in made:
        os.rename(line.store / "tools" / f"{name}.aside", line.store / "tools" / name)
        for path in (line.store / "tools" / name).rglob("apt-get"):
            os.truncate(path, 0)
    line.succeed("lock", "--upgrade")
    again = {path.name: path.stat().st_ino for path in (line.store / "tools").iterdir()}
    assert again.keys() == made.keys()
    assert not set(again.values()) & set(made.values())
    assert not mark.exists()


@pytest.mark.one_kind
def test_a_layer_of_own_files_from_before_the_machine_stopped_is_made_again(line):
    (line.directory / "motd").write_text("hello\n")
    with open(line.directory / "envforge.toml", "a") as spec:
        spec.write('[[files]]\nsource = "motd"\ntarget = "/etc/motd"\n')
    line.succeed("build")
    assert os.listdir(line.store / "unsynced") == []
    [path] = line.store.glob("layers/*/*/root/etc/motd")
    mark = line.store / "unsynced" / f"{'0' * 32}-1"
    mark.touch()
    time.sleep(0.05)
    layer = path.parents[2]
    os.rename(layer, f"{layer}.aside")  # published after the mark was made
    os.rename(f"{layer}.aside", layer)
    os.truncate(path, 0)
    line.succeed("build")
    [path] = line.store.glob("layers/*/*/root/etc/motd")
    assert path.read_text() == "hello\n"
    assert not mark.exists()
