"""`stats`, `top`, `pause`, `unpause`, `update` on containers, by the real command."""

import json
import time
from collections.abc import Iterator

import pytest
from cgroups import there_now
from containers import Harbour, build
from processes import own_mark, wait_until

pytestmark = pytest.mark.userns
BUSY = "echo up; while :; do :; done"


@pytest.fixture
def harbour(box) -> Iterator[Harbour]:
    """Lend a place for containers; all are removed in the end, and nothing may be left."""
    place = build(box)
    yield place
    if ids := place.succeed("ps", "-aq").split():
        place.succeed("rm", "-f", *ids)
    assert place.leftovers() == []


@pytest.fixture
def own_harbour(own_box) -> Iterator[Harbour]:
    """The same, of the user who runs the tests: whose cgroups are looked at from here."""
    place = build(own_box)
    yield place
    if ids := place.succeed("ps", "-aq").split():
        place.succeed("rm", "-f", *ids)
    assert place.leftovers() == []


def stats(place: Harbour, *names: str) -> dict[str, object]:
    [one] = json.loads(place.succeed("stats", "--json", *names))
    return one


def test_stats_shows_what_runs(harbour):
    harbour.start(name="busy", script=BUSY)
    harbour.await_log("busy", "up")
    one = stats(harbour, "busy")
    assert one["name"] == "busy"
    assert one["cpus"] > 0.02
    assert one["memory_bytes"] >= 0
    assert one["pids"] in (1, 2)
    assert "busy" in harbour.succeed("stats", "--no-stream")
    assert "no such container" in harbour.fail(26, "stats", "nobody")
    harbour.succeed("stop", "-t", "0", "busy")
    assert "not running" in harbour.fail(34, "stats", "busy")
    assert "busy" not in harbour.succeed("stats", "--no-stream")


def test_top_lists_the_processes(harbour):
    mark = own_mark("76")
    harbour.start(name="two", script=f"sleep {mark} & echo up; sleep {mark}; :")
    harbour.await_log("two", "up")

    def commands() -> list[str]:
        return [one["command"] for one in json.loads(harbour.succeed("top", "--json", "two"))]

    wait_until(lambda: commands().count(f"sleep {mark}") == 2)
    assert f"sleep {mark}" in harbour.succeed("top", "two")


@pytest.mark.plain_user
def test_without_a_cgroup_pausing_is_refused(single_box):
    probe = "from envforge.sandbox.limits.choose import backend; print(backend().kind, end='')"
    if single_box.program(probe):
        pytest.skip("this user has cgroups")
    place = build(single_box)
    place.start(name="one")
    try:
        assert "no cgroup" in place.fail(35, "pause", "one")
        assert "no cgroup" in place.fail(35, "update", "--cpus", "1", "one")
    finally:
        place.succeed("rm", "-f", "one")


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_pause_and_unpause(own_harbour):
    place = own_harbour
    place.start(name="busy", script=BUSY)
    place.await_log("busy", "up")
    assert place.succeed("pause", "busy") == "busy\n"
    assert place.state("busy")["status"] == "paused"
    assert "(Paused)" in place.succeed("ps")
    before = stats(place, "busy")["cpu_seconds"]
    time.sleep(0.3)
    assert stats(place, "busy")["cpu_seconds"] - before < 0.03
    assert place.succeed("unpause", "busy") == "busy\n"
    assert place.state("busy")["status"] == "running"
    wait_until(lambda: stats(place, "busy")["cpu_seconds"] - before > 0.05)


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_limits_hold_for_what_is_started_and_joins_and_no_cgroup_is_left(own_harbour):
    place = own_harbour
    before = set(there_now())
    place.start(name="one")
    place.succeed("update", "--memory", "64m", "--cpus", "0.5", "--pids-limit", "20", "one")
    assert set(there_now()) - before
    assert stats(place, "one")["memory_limit_bytes"] == 64 << 20
    assert place.run("exec", "one", "--", "sh", "-c", "x=x; while :; do x=$x$x; done").returncode == 137
    place.succeed("rm", "-f", "one")
    assert set(there_now()) <= before


@pytest.mark.one_kind
@pytest.mark.cgroup
@pytest.mark.parametrize("command", [("stop", "-t", "0"), ("stop",), ("kill",), ("rm", "-f")])
def test_what_is_paused_can_be_ended(own_harbour, command):
    own_harbour.start(name="busy", script="trap 'exit 3' TERM; " + BUSY)
    own_harbour.await_log("busy", "up")
    own_harbour.succeed("pause", "busy")
    own_harbour.succeed(*command, "busy")
    if command[0] != "rm":
        own_harbour.await_status("busy", "exited")


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_update_holds_at_once_and_after_the_next_start(own_harbour):
    place = own_harbour
    place.start(name="busy", script=BUSY)
    assert place.succeed("update", "--memory", "64m", "--pids-limit", "9", "busy") == "busy\n"

    def limits() -> tuple[object, object]:
        one = stats(place, "busy")
        return one["memory_limit_bytes"], one["pids_limit"]

    assert limits() == (64 << 20, 9)
    place.succeed("update", "--cpus", "0.5", "busy")
    place.succeed("stop", "-t", "0", "busy")
    place.succeed("start", "busy")
    assert limits() == (64 << 20, 9)
    assert place.state("busy")["limits"]["asked"] == ["memory", "pids", "cpus"]
    assert "6m is the least" in place.fail(2, "update", "--memory", "1k", "busy")
    assert "needs a limit" in place.fail(2, "update", "busy")


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_memory_that_runs_out_is_told(own_harbour):
    place = own_harbour
    place.start(name="eats", script="read line </dev/null; sleep 2; x=x; while :; do x=$x$x; done")
    place.succeed("update", "--memory", "16m", "eats")
    state = place.await_status("eats", "exited")
    assert (state["exit_code"], state["oom_killed"]) == (137, True)
    said = place.run("logs", "eats")
    assert "killed for want of memory: the limit is 16 MiB" in said.stdout + said.stderr


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_what_starts_again_by_itself_has_the_limits_that_it_was_given_meanwhile(own_harbour):
    place = own_harbour
    place.start("--restart", "always", name="again", script="sleep 3")
    place.succeed("update", "--pids-limit", "9", "again")
    wait_until(lambda: place.state("again")["restarts"])
    place.await_status("again", "running")
    assert stats(place, "again")["pids_limit"] == 9
