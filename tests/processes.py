"""Looking at processes from outside, as root or as their owner."""

import os
import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout_s: float = 60) -> T:
    """Return the first true value of `condition`, asked again and again."""
    end = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError("timed out")
        time.sleep(0.02)
    return found


def own_mark(beginning: str) -> str:
    """Return a word for the commands of this run: as long as any other run's, so none is part of another.

    It is a number of seconds for `sleep` where `beginning` is a number.
    """
    return f"{beginning}{os.getpid():07d}"


def command_of(pid: int | str) -> list[str]:
    """Return the words of a process's command, none if it has ended."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def lock_is_awaited(path: str) -> bool:
    """Say whether a process waits for a lock of that file (proc_locks(5))."""
    inode = f":{os.stat(path).st_ino} "
    with open("/proc/locks", encoding="ascii") as file:
        return any(" -> " in line and inode in line for line in file)


def running(*command: str) -> list[int]:
    """Return the processes, of whatever user, whose whole command is this."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and command_of(name) == [*command]]


def naming(text: str) -> list[int]:
    """Return the processes, of whatever user, whose command has this word in it."""
    own = str(os.getpid())
    names = (name for name in os.listdir("/proc") if name.isdigit() and name != own)
    return [int(name) for name in names if any(text in word for word in command_of(name))]


def children(pid: int) -> list[int]:
    """Return the processes below another one."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                below = file.read().split()
        except FileNotFoundError:
            continue  # a thread that has just ended
        for child in below:
            found += [int(child), *children(int(child))]
    return found


def sandbox_parent(process: subprocess.Popen) -> int:
    """Return the pid of the Python that entered: `runuser` may stand before it."""
    for pid in (process.pid, *children(process.pid)):
        if "python" in os.path.basename(command_of(pid)[0]):
            return pid
    raise AssertionError(f"no Python at or below {process.pid}")
