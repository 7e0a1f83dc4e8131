"""`attach`, -i and -t: containers with input and with a terminal of their own, from a real one."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time

import pytest
from containers import Harbour
from processes import children

pytestmark = pytest.mark.userns


def innermost(pid: int) -> int:
    """Return the command itself, which runuser and env have started."""
    return (children(pid) or [pid])[-1]


class Typing:
    """Somebody at a terminal who runs a command."""

    def __init__(self, harbour: Harbour, *arguments: str, rows: int = 30, columns: int = 90) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            harbour.words(*arguments),
            cwd=harbour.box.project,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        self.slave = slave
        self.shown = b""

    def see(self, text: str, timeout_s: float = 20) -> str:
        end = time.monotonic() + timeout_s
        os.set_blocking(self.master, False)
        while text.encode() not in self.shown:
            assert time.monotonic() < end, self.shown
            try:
                self.shown += os.read(self.master, 4096)
            except BlockingIOError:
                time.sleep(0.02)
        return self.shown.decode()

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> int:
        code = self.process.wait(timeout=20)
        assert termios.tcgetattr(self.slave) == self.before, "its modes are as they were"
        os.close(self.slave)
        os.close(self.master)
        return code


def test_a_terminal_inside_is_typed_into_and_left_alone(harbour):
    harbour.succeed("run", "-d", "-it", "--name", "web", "--", "sh", "-i")
    attached = Typing(harbour, "attach", "web")
    attached.see("my proj")
    attached.type(b"echo $((40+2)); tty; stty size; test -t 0 && echo yes\r")
    assert "30 90" in attached.see("\r\nyes")
    assert "\r\n42" in attached.shown.decode()
    assert "/dev/" in attached.shown.decode()
    attached.type(b"x=kept\r")
    attached.type(b"sleep 100\r")
    time.sleep(0.3)
    attached.type(b"\x03")
    attached.type(b"echo after-$?\r")
    attached.see("after-130")
    attached.type(b"\x10\x11")
    attached.see("detached")
    assert attached.end() == 0
    assert harbour.state("web")["status"] == "running"
    again = Typing(harbour, "attach", "web", rows=40, columns=100)
    again.see("my proj")
    again.type(b"echo $x; stty size\r")
    again.see("kept\r\n")
    again.see("40 100")
    fcntl.ioctl(again.slave, termios.TIOCSWINSZ, struct.pack("4H", 41, 101, 0, 0))
    os.kill(innermost(again.process.pid), signal.SIGWINCH)
    time.sleep(0.3)
    again.type(b"stty size\r")
    again.see("41 101")
    again.type(b"exit 7\r")
    assert again.end() == 7
    assert harbour.await_status("web", "exited")["exit_code"] == 7
    assert "42\n" in harbour.succeed("logs", "web")


def test_input_goes_through_and_ends(harbour):
    harbour.succeed("run", "-d", "-i", "--name", "web", "--", "sh", "-c", "cat; echo end >&2; exit 4")
    text = "".join(f"line {number}\n" for number in range(20_000))
    result = harbour.run("attach", "web", stdin=text)
    assert (result.returncode, result.stdout, result.stderr) == (4, text, "end\n")
    assert harbour.succeed("logs", "-n", "1", "web") == ""
    assert "not running" in harbour.fail(34, "attach", "web")


def test_one_without_input_is_only_looked_at(harbour):
    harbour.start(name="web", script="trap 'echo got it; exit 3' INT; while sleep 0.1; do echo tick; done")
    attached = subprocess.Popen(
        harbour.words("attach", "web"),
        cwd=harbour.box.project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert attached.stdout.readline() == "tick\n"
    os.kill(innermost(attached.pid), signal.SIGINT)
    rest, _ = attached.communicate(timeout=20)
    assert "got it" in rest
    assert attached.returncode == 3


def test_who_reads_too_slowly_holds_it_up_and_loses_nothing(harbour):
    line = "head -c 10000 /dev/zero | tr '\\0' x; echo"
    script = f"i=0; while [ $i -lt 300 ]; do {line}; i=$((i+1)); done; read x; exit 0"
    harbour.succeed("run", "-d", "-i", "--name", "web", "--", "sh", "-c", f"read go; {script}")
    attached = subprocess.Popen(
        harbour.words("attach", "web"), cwd=harbour.box.project, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    attached.stdin.write(b"\n")
    attached.stdin.flush()
    time.sleep(1)
    assert harbour.state("web")["status"] == "running"
    out, _ = attached.communicate(timeout=60)
    assert len(out) == 300 * 10_001
    assert harbour.await_status("web", "exited")["exit_code"] == 0
