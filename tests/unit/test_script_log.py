"""The log of a build's scripts: whole as far as its bounds, and old ones go."""

import os

import pytest

from envforge.build import script_log
from envforge.build.script_log import ScriptLog, sweep
from envforge.errors import BuildError
from envforge.progress import Progress, Recorder, events
from envforge.sources.debian.layers.narration import Narration


@pytest.fixture
def logs(empty_home):
    return f"{empty_home}/.local/state/envforge/logs"


def test_nothing_said_leaves_no_file(logs):
    with ScriptLog("shop", Progress()) as log:
        error = BuildError("x", hint="y")
        assert log.named(error) is error
    assert not os.path.exists(logs)


def test_what_is_said_is_kept_byte_for_byte_and_told(logs):
    watcher = Recorder()
    data = b"Setting up one (1.0) ...\nbyte \xff\x1b[2J\nno end"
    with ScriptLog("shop", Progress(watcher)) as log:
        log.read_by(Narration(Progress(watcher)))
        for byte in data:
            log.take(bytes([byte]).decode("utf-8", "surrogateescape"))
        log.take({"not": "text"})
    assert watcher.events == [
        events.Doing("one", "setting up"),
        events.Log("Setting up one (1.0) ...", "one"),
        events.Log("byte \ufffd", "one"),
        events.Log("no end", "one"),
    ]
    [name] = os.listdir(logs)
    assert name.startswith("shop-")
    assert log.path == f"{logs}/{name}"
    with open(log.path, "rb") as file:
        assert file.read() == data
    assert os.stat(log.path).st_mode & 0o777 == 0o600
    assert os.stat(logs).st_mode & 0o777 == 0o700
    named = log.named(BuildError("x", hint="y"))
    assert isinstance(named, BuildError)
    assert named.message == f"x\nthe whole output: {log.path}"
    assert named.hint == "y"


@pytest.mark.usefixtures("logs")
def test_a_log_has_a_bound_and_keeps_its_end(monkeypatch):
    monkeypatch.setattr(script_log, "LOG_MAX_BYTES", 100_000)
    with ScriptLog("loud", Progress()) as log:
        for number in range(100_000):
            log.take(f"line {number}\n")
    with open(log.path, encoding="utf-8") as file:
        text = file.read()
    assert len(text) < 500_000
    assert text.startswith("line 0\n")
    assert "bytes are left out]" in text
    assert text.endswith("line 99999\n")


def test_old_logs_go_where_there_are_many(tmp_path):
    for number in range(10):
        path = tmp_path / f"{number}.log"
        path.write_bytes(b"x" * 100)
        os.utime(path, (number, number))
    (tmp_path / "note.txt").touch()
    sweep(str(tmp_path), count=6, size_bytes=10_000)
    assert sorted(os.listdir(tmp_path)) == [*(f"{number}.log" for number in range(4, 10)), "note.txt"]
    sweep(str(tmp_path), count=6, size_bytes=250)
    assert sorted(os.listdir(tmp_path)) == ["8.log", "9.log", "note.txt"]


def test_a_log_that_cannot_be_kept_is_told_once_and_ends_nothing(logs):
    os.makedirs(os.path.dirname(logs))
    with open(logs, "w", encoding="ascii"):
        pass
    watcher = Recorder()
    with ScriptLog("shop", Progress(watcher)) as log:
        log.read_by(Narration(Progress(watcher)))
        log.take("one\n")
        log.take("two\n")
    kinds = [type(event) for event in watcher.events]
    assert kinds == [events.Log, events.Message, events.Log]
    assert log.named(BuildError("x")).message == "x"
