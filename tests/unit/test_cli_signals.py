"""A request to end is heard at once, wherever a command waits: exit code 143, and nothing is left."""

import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress

import pytest
from commandline import CommandLine

SPEC = 'name = "x"\n[debian]\nsuite = "bookworm"\npackages = ["hello"]\npockets = []\n'
TERMINATED = 128 + signal.SIGTERM


@pytest.fixture
def line(tmp_path):
    made = CommandLine(tmp_path / "project", tmp_path / "store", tmp_path / "home")
    made.directory.mkdir()
    (made.home / ".config/envforge").mkdir(parents=True)
    (made.directory / "envforge.toml").write_text(SPEC)
    return made


@pytest.mark.parametrize("waits_for", ["an answer", "a connection"])
def test_a_mirror_that_never_answers(line, waits_for):
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = server.getsockname()[1]
        if waits_for == "a connection":  # the queue is full: the kernel drops what comes
            for _ in range(2):
                one = stack.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
        mirrors = f'[mirrors]\ndebian = ["http://127.0.0.1:{port}/debian"]\n'
        (line.home / ".config/envforge/config.toml").write_text(f"timeout = 300\n{mirrors}")
        command = stack.enter_context(
            subprocess.Popen(
                line.words("lock"), cwd=line.directory, env=line.variables(), stderr=subprocess.PIPE
            )
        )
        _wait_for_socket(command.pid)
        command.terminate()
        assert command.wait(60) == TERMINATED
    assert os.listdir(line.store / "staging") == []


def _wait_for_socket(pid):
    end = time.monotonic() + 60
    while not any(target.startswith("socket:") for target in _descriptors(pid)):
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.3)


def _descriptors(pid):
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            yield os.readlink(f"/proc/{pid}/fd/{name}")
