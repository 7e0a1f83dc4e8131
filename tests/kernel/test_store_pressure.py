"""Builds under pressure: many at once, a disk that fills up, a store that is damaged from outside."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from commandline import CommandLine
from users import reaching_all

pytestmark = [pytest.mark.userns, pytest.mark.archive, pytest.mark.one_kind]

FULL = 20


@pytest.fixture
def fresh(built: CommandLine) -> Iterator[CommandLine]:
    """The locked project with an empty store of its own, on a disk."""
    top = Path(tempfile.mkdtemp(prefix="envforge-test-pressure-", dir="/var/tmp"))
    shutil.copytree(built.directory, top / "project")
    line = CommandLine(top / "project", top / "store", built.home)
    yield line
    line.run("store", "destroy", "--yes")
    shutil.rmtree(top, ignore_errors=True)


@pytest.fixture
def whole(built: CommandLine, fresh: CommandLine) -> CommandLine:
    """The same with a copy of the store in which it is built."""
    subprocess.run(reaching_all("cp", "-a", str(built.store), str(fresh.store)), check=True)
    return fresh


def test_builds_at_once_share_the_work_and_agree(fresh):
    running = [
        subprocess.Popen(
            fresh.words("build", "--locked", "--json"),
            cwd=fresh.directory,
            env=fresh.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    told = [one.communicate(timeout=300) for one in running]
    assert [one.returncode for one in running] == [0] * 6, told
    results = [json.loads(out) for out, _ in told]
    assert len({result["environment"] for result in results}) == 1
    makers = [result for result in results if not all(layer["reused"] for layer in result["layers"])]
    assert makers
    for name in ("base", "farm"):
        made = [layer for result in results for layer in result["layers"] if layer["name"] == name]
        assert sum(not layer["reused"] for layer in made) <= 1, name
    assert os.listdir(fresh.store / "staging") == []
    assert os.listdir(fresh.store / "unsynced") == []


@pytest.mark.root
@pytest.mark.parametrize("megabytes", [20, 90, 140])
def test_a_full_disk_is_told_and_nothing_half_made_stays(built, tmp_path, megabytes):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(disk)], check=True)
    try:
        line = evolve(built, store=disk / "store", directory=_copy(built, tmp_path))
        message = line.fail(FULL, "build", "--locked")
        assert "hint: " in message
        subprocess.run(["mount", "-o", "remount,size=600m", str(disk)], check=True)
        assert os.listdir(disk / "store" / "staging") == []
        line.succeed("build", "--locked")
        assert line.succeed("run", "--", "hello") == "Hello, world!\n"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _copy(built: CommandLine, place: Path) -> Path:
    shutil.copytree(built.directory, place / "project")
    return place / "project"


def test_a_layer_that_is_gone_is_made_again(whole):
    assert whole.succeed("run", "--", "hello") == "Hello, world!\n"
    [held] = os.listdir(whole.store / "layers")
    for digest in os.listdir(whole.store / "layers" / held):
        os.rename(whole.store / "layers" / held / digest, whole.store / "trash" / digest)
        assert whole.succeed("run", "--", "hello") == "Hello, world!\n"
    whole.succeed("build", "--locked")


def test_a_blob_that_was_cut_short_is_noticed(whole):
    blobs = [path for path in (whole.store / "blobs").glob("*/*") if path.stat().st_size > 100_000]
    for path in blobs:
        os.chmod(path, 0o600)
        os.truncate(path, 50_000)
    for place in ("trees", "layers"):
        [held] = os.listdir(whole.store / place)
        subprocess.run(["rm", "-rf", str(whole.store / place / held)], check=True)
    assert "error: " in whole.run("build", "--locked").stderr
