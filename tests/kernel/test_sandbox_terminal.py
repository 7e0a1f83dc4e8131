"""Being on a terminal: its name, its size, Ctrl-C and Ctrl-Z, a shell's jobs."""

import os
import shutil
import signal

import pytest
from box import Box
from processes import command_of, naming, own_mark, running, wait_until
from screen import Screen

pytestmark = [
    pytest.mark.userns,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux: apt-get install tmux"),
]


@pytest.fixture
def screen(box: Box):
    box.shell("true")
    with Screen(box) as screen:
        yield screen


def test_the_terminal_has_a_name_that_can_be_opened(screen):
    screen.enter("sh", "-c", "tty; stty size; echo a >/dev/stdout; echo b >/dev/tty; echo c >$(tty); echo $?")
    name = "/dev/pts/0" if screen.box.kind == "root" else "/dev/console"
    lines = screen.wait_for("0").splitlines()
    at = lines.index(name)
    assert lines[at : at + 6] == [name, "50 100", "a", "b", "c", "0"]


def test_ctrl_c_ends_the_command_and_not_the_callers_shell(screen):
    mark = own_mark("93")
    screen.enter("sleep", mark)
    wait_until(lambda: running("sleep", mark))
    screen.press("C-c")
    screen.type_at_prompt("echo code $?", 2)
    screen.wait_for("code 130")
    assert not naming(mark)
    screen.type("stty -a | grep -o '[-]*isig'")
    screen.wait_for("isig")


def test_ctrl_z_stops_a_command_as_a_job_of_the_callers_shell(plain_box):
    box = plain_box
    box.shell("true")
    mark = own_mark("92")
    with Screen(box) as screen:
        screen.enter("sleep", mark)
        sleeping = wait_until(lambda: running("sleep", mark))
        screen.press("C-z")
        wait_until(lambda: state(sleeping[0]) == "T")
        screen.type("fg")
        wait_until(lambda: state(sleeping[0]) == "S")
        screen.press("C-c")
        screen.type_at_prompt("echo code $?", 3)
        screen.wait_for("code 130")


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(") ")[2].split()[0]


def test_a_shell_inside_has_jobs_and_gives_its_code(screen):
    mark = own_mark("91")
    screen.enter("env", "PS1=box> ", "sh", "-i")
    screen.wait_for("box> ")
    screen.type(f"sleep {mark}")
    wait_until(lambda: running("sleep", mark))
    screen.press("C-c")
    screen.type("echo inner $?")
    screen.wait_for("inner 130")
    screen.type(f"sleep {mark}")
    sleeping = wait_until(lambda: running("sleep", mark))
    screen.press("C-z")
    wait_until(lambda: state(sleeping[0]) == "T")
    screen.type("kill -9 %1")
    wait_until(lambda: not running("sleep", mark))
    screen.type("jobs")
    screen.type("exit 9")
    screen.type_at_prompt("echo code $?", 2)
    screen.wait_for("code 9")
    assert not naming(mark)


def test_a_resized_terminal_is_noticed_inside(screen):
    screen.enter("sh", "-c", "stty size; read line; stty size; read line")
    screen.wait_for("50 100")
    screen.resize(20)
    screen.type("")
    screen.wait_for("50 20")


@pytest.mark.root
def test_a_killed_parent_leaves_the_terminal_as_it_was(root_box):
    root_box.shell("true")
    mark = own_mark("90")
    with Screen(root_box) as screen:
        screen.enter("sleep", mark)
        wait_until(lambda: running("sleep", mark))
        ours = [
            pid for pid in naming(mark) if command_of(pid)[0] != "sleep"
        ]  # its parent, PID 1, names nothing
        [entered] = [pid for pid in ours if parent(pid) not in ours]
        os.kill(entered, signal.SIGKILL)
        wait_until(lambda: not naming(mark))
        screen.type("stty -a | grep -o '[-]*icanon'")
        screen.wait_for("icanon")


def parent(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(") ")[2].split()[1])
