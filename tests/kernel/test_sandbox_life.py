"""From entering to the last process: exit codes, signals, terminals, and what a dead parent leaves."""

import os
import signal
import subprocess
import sys

import pytest
from processes import naming, own_mark, running, sandbox_parent, wait_until

pytestmark = pytest.mark.userns


def test_exit_codes_are_dockers(box):
    codes = {"true": 0, "exit 7": 7, "exit 255": 255, "kill -9 $$": 137, "kill -TERM $$": 143}
    assert {script: box.run("sh", "-c", script).returncode for script in codes} == codes
    assert box.run("no-such-program").returncode == 127
    assert box.run("/no/such/program").returncode == 127
    assert box.run("/etc").returncode == 126
    assert box.run("/etc/not-executable").returncode == 126
    assert box.run("true", cwd="/nowhere").returncode == 126


def test_streams_go_through_and_there_is_no_terminal(box):
    result = box.run("sh", "-c", "cat; echo out; echo err >&2; tty", stdin="in\n")
    assert result.stdout == "in\nout\nnot a tty\n"
    assert result.stderr == "err\n"


def test_orphans_are_reaped_and_die_with_the_payload(box):
    script = "for i in 1 2 3 4 5; do (sh -c 'sleep 0.05 & exit' &); done; sleep 0.4; ps | grep -c '[[]sleep'"
    assert box.run("sh", "-c", script).stdout == "0\n"
    mark = own_mark("98")
    box.shell(f"sleep {mark} >/dev/null 2>&1 & exit 0")
    wait_until(lambda: not naming(mark))


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1"])
def test_signals_to_the_parent_reach_the_payload_once(box, name):
    number = signal.Signals[f"SIG{name}"]
    wait = "for i in 1 2 3 4 5 6; do sleep 0.1; done"
    script = f"trap 'echo got; n=$((n+1))' {name}; echo ready; {wait}; exit $((40+n))"
    process = subprocess.Popen(box.command("sh", "-c", script), stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    os.kill(sandbox_parent(process), number)
    assert process.communicate(timeout=20)[0] == "got\n"
    assert process.returncode == 41


def test_a_signal_that_ends_the_payload_gives_its_code(box):
    mark = own_mark("95")
    process = subprocess.Popen(box.command("sleep", mark))
    wait_until(lambda: running("sleep", mark))
    os.kill(sandbox_parent(process), signal.SIGTERM)
    assert process.wait(60) == 143


def test_a_killed_parent_takes_everything_along_and_the_next_one_cleans_up(box):
    mark = own_mark("97")
    process = subprocess.Popen(box.command("sh", "-c", f"touch /new; sleep {mark} & sleep {mark}"))
    wait_until(lambda: len(running("sleep", mark)) == 2)
    os.kill(sandbox_parent(process), signal.SIGKILL)
    process.wait(60)
    wait_until(lambda: not naming(mark))
    assert len(box.leftovers()) == 1
    box.shell("true")
    assert box.leftovers() == []


@pytest.mark.root
def test_a_killed_init_ends_all(root_box):
    mark = own_mark("96")
    process = subprocess.Popen(root_box.command("sleep", mark), stderr=subprocess.PIPE)
    sleeping = wait_until(lambda: running("sleep", mark))
    with open(f"/proc/{sleeping[0]}/status", encoding="ascii") as file:
        init = next(int(line.split()[1]) for line in file if line.startswith("PPid"))
    os.kill(init, signal.SIGKILL)
    assert process.wait(60) == 137
    assert not naming(mark)
    assert root_box.leftovers() == []


def test_many_at_once(box):
    box.shell("true")
    script = 'echo "$0" >/etc/hosts; cat /etc/hosts'
    entered = [
        subprocess.Popen(
            box.command("sh", "-c", script, str(number)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(30)
    ]
    said = [process.communicate(timeout=120) for process in entered]
    assert said == [(f"{number}\n", "") for number in range(30)]
    assert box.leftovers() == []


@pytest.mark.root
def test_inside_a_container_whose_proc_is_partly_covered(box):
    box.shell("true")
    cover = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs covered /proc/bus; exec "$@"', "sh"]
    words = [
        *cover,
        *box.command("sh", "-c", "id -u; readlink /proc/self/exe; ls /proc/bus; test -d /proc/1"),
    ]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{box.uid}\n/bin/busybox\n"


IGNORING = """
import os, signal, sys
for name in ("SIGCHLD", "SIGINT", "SIGPIPE"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_signals_that_the_caller_ignores_do_no_harm(box):
    box.shell("true")
    words = box.command("sh", "-c", "grep -E 'SigBlk|SigIgn' /proc/self/status; exit 3")
    at = words.index(sys.executable)
    words = [*words[:at], sys.executable, "-c", IGNORING, *words[at:]]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    found = dict(line.split(":\t") for line in result.stdout.splitlines())
    assert int(found["SigBlk"], 16) == 1 << signal.SIGALRM - 1
    assert int(found["SigIgn"], 16) == 1 << signal.SIGINT - 1
