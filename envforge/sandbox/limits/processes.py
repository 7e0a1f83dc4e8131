"""The processes of a sandbox, as the host sees them (proc_pid_stat(5), proc_pid_status(5))."""

import os
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import frozen

_TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@frozen
class Process:
    """One process inside."""

    pid: int
    """On the host."""
    inside: int
    """Its number in the sandbox."""
    parent: int
    """On the host."""
    uid: int
    """On the host."""
    state: str
    """One letter: R, S, D, T, Z, …"""
    threads: int
    cpu_ns: int
    """With that of its ended children."""
    memory_bytes: int
    """Resident, without what it shares with files."""
    command: str


def of_cgroup(paths: Iterable[str], first: int) -> list[Process]:
    """Return the processes in a cgroup, or below PID 1 where there is none, without PID 1 itself."""
    for path in paths:
        try:
            with open(f"{path}/cgroup.procs", encoding="ascii") as file:
                numbers = {int(word) for word in file.read().split()}
        except OSError:
            continue
        return sorted((one for one in map(_process, numbers - {first, 0}) if one), key=lambda one: one.inside)
    return below(first)


def below(first: int) -> list[Process]:
    """Return the processes of the sandbox whose PID 1 has that number on the host, without it."""
    return sorted((one for one in map(_process, _descendants(first)) if one), key=lambda one: one.inside)


def _descendants(first: int) -> Iterator[int]:
    for child in _children(first):
        yield child
        yield from _descendants(child)


def _children(pid: int) -> list[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        return [int(word) for task in tasks for word in _text(f"/proc/{pid}/task/{task}/children").split()]
    except OSError:
        return []


def _process(pid: int) -> Process | None:
    try:
        before, _, after = _text(f"/proc/{pid}/stat").rpartition(")")
        words = after.split()
        about = dict(line.split(":", 1) for line in _text(f"/proc/{pid}/status").splitlines() if ":" in line)
        resident, shared = map(int, _text(f"/proc/{pid}/statm").split()[1:3])
        return Process(
            pid=pid,
            inside=int(about["NSpid"].split()[-1]),
            parent=int(words[1]),
            uid=int(about["Uid"].split()[0]),
            state=words[0],
            threads=int(words[17]),
            cpu_ns=sum(map(int, words[11:15])) * _TICK_NS,
            memory_bytes=max(0, resident - shared) * _PAGE,
            command=_command(pid) or before.partition("(")[2],
        )
    except (OSError, ValueError, KeyError, IndexError):
        return None  # it has just ended


def _command(pid: int) -> str:
    return " ".join(filter(None, _text(f"/proc/{pid}/cmdline").split("\0")))


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
