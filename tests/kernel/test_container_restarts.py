"""Restart policies, `restart`, `rename`, `kill -s`, `inspect`: a container as it goes on."""

import json
import os
import signal

import pytest
from processes import wait_until

pytestmark = pytest.mark.userns


def test_one_that_fails_starts_again_so_often(harbour):
    harbour.start("--restart", "on-failure:2", name="web", script="echo again; exit 3")
    state = harbour.await_status("web", "exited")
    assert (state["exit_code"], state["restarts"]) == (3, 2)
    assert harbour.succeed("logs", "web") == "again\n" * 3
    harbour.start("--restart", "on-failure", name="well", script="exit 0")
    assert harbour.await_status("well", "exited")["restarts"] == 0


def test_one_that_always_starts_again_is_stopped_in_any_state(harbour):
    harbour.start("--restart=always", name="web", script="sleep 0.05")
    wait_until(lambda: harbour.state("web")["restarts"] >= 2)
    assert harbour.succeed("stop", "web") == "web\n"
    state = harbour.state("web")
    assert state["status"] == "exited"
    harbour.succeed("start", "web")
    assert harbour.state("web")["status"] in {"running", "restarting"}
    harbour.succeed("rm", "-f", "web")


def test_a_killed_one_starts_again_only_if_it_was_not_meant_to_end(harbour):
    harbour.start("--restart=always", name="web")
    os.kill(harbour.state("web")["pid"], signal.SIGKILL)  # as when memory runs out
    state = harbour.until(lambda: harbour.state("web"), lambda one: one["restarts"] == 1)
    harbour.await_status("web", "running")
    assert state["exit_code"] == 137
    harbour.succeed("kill", "web")
    harbour.await_status("web", "exited")


def test_restart_and_signals(harbour):
    script = "trap 'echo hup' HUP; trap 'echo winch' 28; trap 'exit 5' 2; echo up; while sleep .1; do :; done"
    harbour.start("--stop-signal=INT", name="web", script=script)
    harbour.await_log("web", "up")
    harbour.succeed("kill", "-s", "HUP", "web")
    harbour.await_log("web", "hup")
    harbour.succeed("kill", "--signal=sigwinch", "web")
    harbour.await_log("web", "winch")
    before = harbour.state("web")["pid"]
    harbour.succeed("restart", "web")
    state = harbour.state("web")
    assert (state["status"], state["pid"] != before) == ("running", True)
    harbour.await_log("web", "up\nhup\nwinch\nup\n")
    harbour.succeed("stop", "web")
    assert harbour.state("web")["exit_code"] == 5, "its own stop signal"
    harbour.succeed("restart", "web")
    assert "no signal" in harbour.fail(2, "kill", "-s", "nonsense", "web")
    harbour.succeed("kill", "-s", "KILL", "web")
    assert harbour.await_status("web", "exited")["exit_code"] == 137


def test_one_that_ignores_the_stop_signal_is_killed_after_a_while(harbour):
    harbour.start(name="web", script="trap '' TERM; echo up; while :; do sleep 0.05; done")
    harbour.await_log("web", "up")
    harbour.succeed("stop", "-t", "1", "web")
    assert harbour.state("web")["exit_code"] == 137


def test_a_new_name_is_its_only_one(harbour):
    first = harbour.start(name="web")
    harbour.start(name="other")
    assert "in use" in harbour.fail(34, "rename", "web", "other")
    assert "no name" in harbour.fail(2, "rename", "web", "a/b")
    harbour.succeed("rename", "web", "shop")
    assert harbour.state("shop")["id"] == first
    assert "no such container" in harbour.fail(26, "stop", "web")
    harbour.start(name="web", script="true")
    harbour.succeed("rm", "-f", "shop")
    assert sorted(one["name"] for one in json.loads(harbour.succeed("ps", "-a", "--json"))) == [
        "other",
        "web",
    ]


def test_all_that_is_known_is_told(harbour):
    harbour.start("-e", "A=b", "-l", "team=x", "--stop-timeout", "3", name="web")
    (one,) = json.loads(harbour.succeed("inspect", "web"))
    assert (one["name"], one["status"]) == ("web", "running")
    assert one["config"]["variables"]["A"] == "b"
    assert one["config"]["labels"] == {"team": "x"}
    assert one["config"]["stop"] == {"signal": 15, "seconds": 3}
    assert {mount["source"] for mount in one["mounts"]} == {harbour.box.project}
    result = harbour.run("inspect", "web", "no-such")
    assert (result.returncode, len(json.loads(result.stdout))) == (26, 1)


@pytest.mark.parametrize(
    "options",
    [
        ("--restart", "sometimes"),
        ("--restart", "always:3"),
        ("--restart", "on-failure:x"),
        ("--restart=always", "--rm"),
        ("--stop-signal", "x"),
    ],
)
def test_what_makes_no_sense_is_refused(single_box, options):
    from containers import build

    place = build(single_box)
    assert "hint: " in place.fail(125, "run", "-d", *options, "--", "true")
    assert place.leftovers() == []
