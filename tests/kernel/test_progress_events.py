"""What a build tells of itself: as events for programs, and as lines for people."""

import json
import shutil

import pytest
import web
from small_archive import Archive
from small_system import add_system, new_project, script

from envforge.progress import events

pytestmark = [
    pytest.mark.userns,
    pytest.mark.root,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    top = tmp_path_factory.mktemp("events")
    archive = Archive(top / "web")
    add_system(archive)
    archive.add("talks", members={"postinst": script("echo asks for nothing")}, depends="silent")
    archive.add("silent")
    archive.publish()
    with web.serving(top / "web") as server:
        line = new_project(top, server.url, ["talks"])
        yield line
        line.succeed("store", "destroy", "--yes")


def told(result):
    """Return the events of a command, which may write nothing else to standard error."""
    lines = [json.loads(one) for one in result.stderr.splitlines()]
    times = [one.pop("time") for one in lines]
    assert times == sorted(times)
    return [events.from_json(one) for one in lines]


def test_a_build_is_told_as_events(line):
    result = line.run("--verbose", "--progress", "json", "build", "--json")
    assert result.returncode == 0
    found = told(result)
    stages = [event.name for event in found if isinstance(event, events.Stage)]
    assert stages == ["package index", "resolving", "fetching and unpacking", "configuring"]
    fetching = found.index(next(event for event in found if getattr(event, "name", "") == stages[2]))
    configuring = found.index(next(event for event in found if getattr(event, "name", "") == stages[3]))
    part = found[fetching:configuring]
    items = {event.name for event in part if isinstance(event, events.Item)}
    assert items == {"dpkg", "silent", "talks"}
    assert found[fetching].total_items == len(items)
    came = [event for event in part if isinstance(event, events.Bytes)]
    assert sum(event.count for event in came) == found[fetching].total_bytes
    assert {event.item for event in came} == items
    set_up = {event.name.partition(":")[0] for event in found[configuring:] if isinstance(event, events.Item)}
    assert "talks" in set_up
    assert len(set_up) == found[configuring].total_items
    assert events.Log("asks for nothing", "talks") in found
    assert found[-1] == events.End()
    assert json.loads(result.stdout)["name"] == "small"


def test_only_verbose_events_have_what_scripts_print(line):
    found = told(line.run("build", "--rebuild", "--progress=json"))
    assert any(isinstance(event, events.Item) for event in found)
    assert not any(isinstance(event, events.Log) for event in found)


def test_a_failure_is_an_event_too(line):
    result = line.run("--progress", "json", "-f", "nowhere.toml", "build")
    [failure] = told(result)
    assert isinstance(failure, events.Failure)
    assert failure.kind == "SpecError"
    assert failure.exit_code == result.returncode
    [failure] = told(line.run("build", "--progress=json", "--no-such-option"))
    assert (failure.kind, failure.exit_code) == ("UsageError", 2)


def test_events_end_before_the_command_begins(line):
    line.succeed("build")
    result = line.run("run", "--progress", "json", "--", "sh", "-c", "echo mine >&2; echo out")
    first, mine = result.stderr.splitlines()[-2:]
    assert json.loads(first)["event"] == "end"
    assert mine == "mine"
    assert result.stdout == "out\n"


def test_none_tells_nothing_and_failures_all_the_same(line):
    assert line.run("build", "--rebuild", "--progress", "none").stderr == ""
    assert line.run("--progress", "none", "-f", "nowhere.toml", "build").stderr.startswith("error: ")


def test_plain_lines_come_on_a_terminal_where_they_are_wanted(line):
    code, shown = line.on_terminal("build", "--rebuild", "--progress", "plain")
    assert code == 0
    assert "configuring" in shown
    assert "\x1b" not in shown


def test_a_way_that_is_not_there_is_a_usage_error(line):
    result = line.run("build", "--progress", "loud")
    assert result.returncode == 2
    assert "auto" in result.stderr


def test_nobody_is_asked_where_a_program_reads_events(line):
    code, shown = line.on_terminal("--progress", "json", "store", "destroy")
    failure = events.from_json({key: value for key, value in json.loads(shown).items() if key != "time"})
    assert code == failure.exit_code == 2
    assert line.store.exists()
