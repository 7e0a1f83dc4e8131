"""Containers from `run -d` to `rm`: what each command says, and what is left in the end."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from containers import Harbour
from processes import wait_until

pytestmark = pytest.mark.userns


def test_a_container_lives_on_is_stopped_and_starts_with_its_files(harbour):
    script = (
        "echo begin $A; cat /kept 2>/dev/null; date >/kept; trap 'exit 7' TERM; while :; do sleep 0.05; done"
    )
    identifier = harbour.start("-e", "A=b", name="web", script=script)
    assert len(identifier) == 12
    state = harbour.state("web")
    assert (state["status"], state["exit_code"], state["label"]) == ("running", None, "box")
    assert state["pid"] > 0
    assert "Up " in harbour.succeed("ps")
    assert harbour.await_log("web", "begin") == "begin b\n"
    assert harbour.succeed("stop", "web") == "web\n"
    state = harbour.state("web")
    assert (state["status"], state["exit_code"], state["pid"]) == ("exited", 7, 0)
    assert "web" not in harbour.succeed("ps")
    assert "Exited (7)" in harbour.succeed("ps", "-a")
    assert harbour.succeed("stop", "web") == "web\n", "as Docker: it is stopped already"
    assert harbour.succeed("start", identifier[:5]) == f"{identifier[:5]}\n"
    assert harbour.await_log("web", "begin b\nbegin b\n").count("UTC") == 1, "its files are kept"
    assert "runs already" in harbour.run("start", "web").stderr
    assert "running" in harbour.fail(34, "rm", "web")
    assert harbour.succeed("rm", "-f", "web") == "web\n"
    assert "no such container" in harbour.fail(26, "start", "web")
    assert "no such container" in harbour.fail(26, "logs", "web")
    assert harbour.succeed("rm", "-f", "web") == "", "as Docker: nothing to do"
    assert harbour.leftovers() == []


def test_exec_runs_a_further_command_inside(harbour):
    harbour.start("-e", "A=b", "-w", "/tmp", name="web", script="touch /tmp/here; sleep 600")
    assert harbour.succeed("exec", "-e", "B=c", "web", "--", "sh", "-c", "echo $A $B; pwd; ls") == (
        "b c\n/tmp\nhere\n"
    )
    assert harbour.run("exec", "web", "--", "sh", "-c", "exit 9").returncode == 9
    result = harbour.run("exec", "web", "--", "nothing-like-it")
    assert (result.returncode, "not found" in result.stderr) == (127, True)
    assert harbour.succeed("exec", "web", "--", "cat", stdin="through\n") == "through\n"
    harbour.succeed("stop", "-t", "0", "web")
    assert "web" in harbour.fail(125, "exec", "web", "--", "true")


def test_exit_codes_are_kept_and_waited_for(harbour):
    harbour.start(name="job", script="read line; sleep 0.2; exit 3")
    harbour.start(name="rm", script="sleep 600")
    assert harbour.succeed("wait", "job") == "3\n"
    assert harbour.succeed("wait", "job") == "3\n", "it has ended already"
    waiting = subprocess.Popen(
        harbour.words("wait", "rm"), cwd=harbour.box.project, stdout=subprocess.PIPE, text=True
    )
    harbour.succeed("kill", "rm")
    assert waiting.communicate(timeout=20)[0] == "137\n"
    assert harbour.await_status("rm", "exited")["exit_code"] == 137
    assert "not running" in harbour.fail(34, "kill", "rm")
    assert "no such container" in harbour.fail(26, "wait", "never-there")


def test_a_container_to_be_removed_is_gone_once_it_ends(harbour):
    identifier = harbour.start("--rm", name="once", script="sleep 3; exit 3")
    assert harbour.succeed("wait", "once") == "3\n"
    wait_until(lambda: not harbour.leftovers())
    assert harbour.succeed("ps", "-a", "--json") == "[]\n"
    assert "no such container" in harbour.fail(26, "rm", identifier)
    harbour.succeed("rm", "-f", harbour.start("--rm"))


def test_a_supervisor_has_nothing_of_who_started_it(harbour):
    harbour.succeed("rm", "-f", harbour.start())
    words = harbour.words(
        "run", "-d", "--name", "x", "--", "sleep", "600"
    )  # warm by now: a fork of the command
    caller = ["sh", "-c", 'trap "" INT HUP PIPE; exec 9<.; exec "$@"', "sh"]
    subprocess.run([*caller, *words], cwd=harbour.box.project, check=True, stdout=subprocess.DEVNULL)
    forked = _supervisor(harbour, "x")
    harbour.succeed("stop", "-t", "0", "x")
    harbour.succeed("start", "x")
    assert _supervisor(harbour, "x") == forked
    assert forked["cwd"] == "/"
    assert harbour.box.project not in forked["open"]


def _supervisor(harbour, name):
    """Return what a container's supervisor has of its own, without numbers that differ each time."""
    place = f"/proc/{harbour.record(harbour.state(name)['id'])['supervisor']}"
    opened = [os.readlink(f"{place}/fd/{number}") for number in os.listdir(f"{place}/fd")]
    status = Path(f"{place}/status").read_text(encoding="ascii").splitlines()
    signals = [line.split() for line in status if line.startswith(("SigBlk:", "SigIgn:", "SigCgt:"))]
    session = Path(f"{place}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[3]
    return {
        "cwd": os.readlink(f"{place}/cwd"),
        "open": sorted(re.sub(r"[0-9a-f]{12}|\d+", "N", one) for one in opened),
        "signals": {kind: int(mask, 16) & 0x7FFFFFFF for kind, mask in signals},  # 32 and 33 are libc's own
        "own session": session != str(os.getsid(0)),
    }


@pytest.mark.parametrize(
    ("command", "code", "said"), [("nothing-like-it", 127, "not found"), ("/etc/hosts", 126, "denied")]
)
def test_a_command_that_cannot_run_leaves_nothing(harbour, command, code, said):
    result = harbour.run("run", "-d", "--name", "x", "--", command)
    assert (result.returncode, result.stdout) == (code, "")
    assert said in result.stderr
    assert harbour.leftovers() == []


def test_a_directory_to_start_in_that_is_not_there_leaves_nothing(harbour):
    result = harbour.run("run", "-d", "-w", "/not/there", "--", "true")
    assert result.returncode == 126
    assert "/not/there" in result.stderr
    assert harbour.leftovers() == []


def test_names_are_taken_once_and_are_checked(harbour):
    harbour.start(name="Web_1.x")
    said = harbour.fail(125, "run", "-d", "--name", "Web_1.x", "--", "true")
    assert "Web_1.x is in use by the container" in said
    for name in ("-x", "../x", "a/b", "a b", ".hidden", "", "é", "x" * 129, "a\nb"):
        said = harbour.fail(125, "run", "-d", f"--name={name}", "--", "true")
        assert "no name for a container" in said
    assert len(harbour.leftovers()) == 3
    harbour.succeed("rm", "-f", "Web_1.x")
    harbour.start(name="Web_1.x", script="true")


def test_one_name_of_many_at_once_goes_to_one(harbour):
    words = harbour.words("run", "-d", "--name", "one", "--", "sleep", "600")
    started = [
        subprocess.Popen(
            words, cwd=harbour.box.project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    ended = [process.communicate(timeout=60) for process in started]
    assert sorted(process.returncode for process in started) == [0, 125, 125, 125], ended
    assert len(json.loads(harbour.succeed("ps", "-a", "--json"))) == 1


def test_of_two_starts_at_once_one_wins(harbour):
    harbour.start(name="web", script="sleep 600")
    harbour.succeed("stop", "-t", "0", "web")
    words = harbour.words("start", "web")
    started = [
        subprocess.Popen(
            words, cwd=harbour.box.project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    said = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0, 0], said
    assert sorted(said) == ["", *["web runs already\n"] * 3]
    assert harbour.state("web")["status"] == "running"


def test_what_a_killed_supervisor_leaves_is_put_right(harbour):
    identifier = harbour.start(name="web")
    before = harbour.record(identifier)
    os.kill(before["supervisor"], signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{before['pid']}"))
    assert harbour.record(identifier)["status"] == "running", "nobody could say otherwise"
    state = harbour.state("web")
    assert (state["status"], state["exit_code"]) == ("exited", 137)
    assert "supervisor" in state["error"]
    assert harbour.record(identifier)["status"] == "exited"
    harbour.succeed("start", "web")
    assert harbour.state("web")["status"] == "running"


def test_what_ran_when_the_machine_went_down_has_ended(harbour):
    identifier = harbour.start(name="web")
    state = harbour.record(identifier)
    os.kill(state["supervisor"], signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{state['pid']}"))
    path = f"{harbour.box.store}/containers/{identifier}/state.json"
    # After a reboot the pids are others' by now, and started at whatever time.
    other = {**state, "boot": "0" * 36, "supervisor": os.getpid(), "pid": os.getpid()}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(other, file)
    shown = harbour.state("web")
    assert (shown["status"], "machine" in shown["error"]) == ("exited", True)
    harbour.succeed("start", "web")


def test_a_state_that_was_lost_can_be_removed_or_started(harbour):
    identifier = harbour.start(name="web", script="true")
    harbour.await_status("web", "exited")
    with open(f"{harbour.box.store}/containers/{identifier}/state.json", "w", encoding="utf-8"):
        pass
    assert harbour.state("web")["status"] == "dead"
    harbour.succeed("start", "web")
    harbour.await_status("web", "exited")


def test_names_and_their_states_are_completed(harbour):
    harbour.start(name="web")
    harbour.start(name="other", script="true")
    asked = {"_ENVFORGE_COMPLETE": "bash_complete", "COMP_WORDS": "envforge stop w", "COMP_CWORD": "2"}
    line = Harbour(harbour.box, asked)
    words = [word for word in line.words() if word not in ("--store", harbour.box.store)]
    home = f"XDG_DATA_HOME={harbour.box.home}/data"
    os.makedirs(f"{harbour.box.home}/data", exist_ok=True)
    os.symlink(harbour.box.store, f"{harbour.box.home}/data/envforge")
    said = subprocess.run(
        [*words[:-1], home, words[-1]], capture_output=True, text=True, check=False, cwd=harbour.box.project
    ).stdout
    assert said == "plain,web\n"
    os.unlink(f"{harbour.box.home}/data/envforge")
