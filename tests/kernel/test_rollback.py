"""Generations: listed with their reasons, gone back to with spec and lock; nothing that was edited lost."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import web
from commandline import CommandLine
from small_archive import Archive
from small_system import add_system, built, new_project

pytestmark = [
    pytest.mark.userns,
    pytest.mark.one_kind,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]
NOT_FOUND, LOCAL_EDITS = 26, 31


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """Build a project three times: at first, with a package more, with a variable."""
    top = tmp_path_factory.mktemp("rollback")
    archive = Archive(top / "archive")
    add_system(archive)
    archive.add("one")
    archive.publish()
    with web.serving(archive.path) as server:
        line = new_project(top, server.url, [])
        line.succeed("build")
        line.succeed("add", "one")
        line.succeed("build")
        spec = line.directory / "envforge.toml"
        spec.write_text(spec.read_text() + '\n[variables]\nGREETING = "third"\n')
        line.succeed("build")
        yield line
        line.succeed("store", "destroy", "--yes")


@pytest.fixture
def line(origin: CommandLine) -> CommandLine:
    """Lend the project as it was built last: its roots in the store are put back afterwards."""
    kept = {path: path.read_bytes() for path in _mutable(origin)}
    yield origin
    for path in _mutable(origin):
        path.write_bytes(kept[path])


def _mutable(line: CommandLine) -> list[Path]:
    files = (line.directory / "envforge.toml", line.directory / "envforge.lock")
    return [*files, *(line.store / "roots").iterdir()]


def _history(line: CommandLine, *words: str) -> list[dict[str, object]]:
    return json.loads(line.succeed("history", "--json", *words))


def _files(line: CommandLine) -> tuple[bytes, bytes]:
    return tuple((line.directory / f"envforge.{end}").read_bytes() for end in ("toml", "lock"))


def test_history_says_what_each_generation_changed(line: CommandLine) -> None:
    known = _history(line)
    assert [one["number"] for one in known] == [1, 2, 3]
    assert [one["reason"] for one in known] == ["first build", "one added", "variables changed"]
    assert [one["current"] for one in known] == [False, False, True]
    shown = line.succeed("history", "--last", "2").splitlines()
    assert [row.split()[0] for row in shown] == ["NUMBER", "3", "2"]
    assert shown[1].endswith("variables changed")


def test_rollback_restores_spec_lock_and_environment_and_is_undone_by_another(line: CommandLine) -> None:
    newest = _files(line)
    environments = [one["environment"] for one in _history(line)]
    said = json.loads(line.succeed("rollback", "1", "--json"))
    assert (said["target"], said["generation"]["number"], said["backup"]) == (1, 4, None)
    assert said["generation"]["reason"] == "rollback to 1"
    assert _history(line)[-1]["environment"] == environments[0]
    assert b"GREETING" not in _files(line)[0]
    assert built(line, "--locked")["environment"] == environments[0]
    assert [one["number"] for one in _history(line)] == [1, 2, 3, 4]
    line.succeed("rollback")
    assert _files(line) == newest
    assert line.succeed("run", "--", "sh", "-c", "echo $GREETING") == "third\n"


def test_a_dry_run_shows_the_change_and_makes_none(line: CommandLine) -> None:
    before = _files(line)
    shown = line.succeed("rollback", "--dry-run")
    assert '-GREETING = "third"' in shown
    assert _files(line) == before
    assert len(_history(line)) == 3


def test_edits_are_not_replaced_unless_that_is_asked_for_and_then_kept(line: CommandLine) -> None:
    spec = line.directory / "envforge.toml"
    edited = spec.read_bytes() + b'OTHER = "\\u001b[31mmine"\n# \x1b[31m\n'
    spec.write_bytes(edited)
    assert "was edited since it was built" in line.fail(LOCAL_EDITS, "rollback")
    assert spec.read_bytes() == edited
    shown = line.succeed("rollback", "--dry-run")
    assert "+OTHER" in shown
    assert "\x1b" not in shown
    backup = json.loads(line.succeed("rollback", "--yes", "--json"))["backup"]
    assert Path(backup, "envforge.toml").read_bytes() == edited
    assert not Path(backup, "envforge.lock").exists()
    assert b"OTHER" not in spec.read_bytes()


def test_on_a_terminal_it_is_asked(line: CommandLine) -> None:
    spec = line.directory / "envforge.toml"
    edited = spec.read_bytes() + b"# mine\n"
    spec.write_bytes(edited)
    code, shown = line.on_terminal("rollback", typed="n\n", after_s=1)
    assert code == 0
    assert "+# mine" in shown
    assert "nothing was changed" in shown
    assert spec.read_bytes() == edited
    code, shown = line.on_terminal("rollback", typed="y\n", after_s=1)
    assert code == 0
    assert "kept in" in shown
    assert spec.read_bytes() != edited


def test_a_spec_that_cannot_be_read_or_is_gone_does_not_stand_in_the_way(line: CommandLine) -> None:
    spec, before = line.directory / "envforge.toml", _files(line)
    spec.write_text("this is = = no TOML")
    line.fail(11, "build")
    line.succeed("rollback", "3", "--yes")
    assert _files(line) == before
    spec.unlink()
    line.succeed("--file", str(spec), "rollback", "3")
    assert _files(line) == before


def test_layers_that_are_gone_are_built(line: CommandLine) -> None:
    environments = [one["environment"] for one in _history(line)]
    line.succeed("rollback", "1")
    record = json.loads((line.store / f"environments/{environments[1][7:]}.json").read_text())
    kept = {
        layer["digest"]
        for path in (line.store / "environments").glob("*.json")
        if path.stem != environments[1][7:]
        for layer in json.loads(path.read_text())["layers"]
    }
    gone = [one["digest"] for one in record["layers"] if one["digest"] not in kept] or [
        record["layers"][0]["digest"]
    ]
    for digest in gone:
        (path,) = (line.store / "layers").glob(f"*/{digest}")
        path.rename(line.store / "trash" / digest)
    said = json.loads(line.succeed("rollback", "2", "--json"))
    assert said["built"]
    assert said["generation"]["environment"] == environments[1]
    assert _history(line)[-1]["number"] == said["generation"]["number"]
    assert line.succeed("run", "--", "sh", "-c", "echo well") == "well\n"


def test_what_is_not_there_is_said(line: CommandLine, tmp_path: Path) -> None:
    assert "no generation 9; it has 1 to 3" in line.fail(NOT_FOUND, "rollback", "9")
    assert "was never built" in line.fail(NOT_FOUND, "-E", "other", "history")
    alone = CommandLine(line.directory, tmp_path / "no-store", line.home)
    assert "no store" in alone.fail(NOT_FOUND, "history")
    assert not (tmp_path / "no-store").exists()
    (line.store / "roots" / next(iter(_roots(line)))).write_text("{")
    assert "is damaged" in line.fail(19, "history")


def _roots(line: CommandLine) -> list[str]:
    return [path.name for path in (line.store / "roots").iterdir()]
