"""The processes of a sandbox, as the host sees them (proc_pid_stat(5), proc_pid_status(5))."""

import os
from collections.abc import Iterator
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


def below(first: int) -> list[Process]:
    """Return the processes of the sandbox whose PID 1 has that number on the host, without it."""
    return sorted((one for one in map(_process, _descendants(first)) if one), key=lambda one: one.inside)


def parent_of(pid: int) -> int:
    """Return a process's parent, 0 if it has ended."""
    fields = _fields(pid)
    return int(fields[1]) if fields else 0


def waited_ns(pid: int) -> int:
    """Return the processor time of the children that a process has waited for."""
    fields = _fields(pid)
    return sum(map(int, fields[13:15])) * _TICK_NS


def _fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on, none if it has ended."""
    try:
        return _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return []


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
