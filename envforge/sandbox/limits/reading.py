"""Reads what a sandbox uses: from its cgroup, of either version, and from its processes where it has none."""

import os
from collections.abc import Iterable
from typing import Final

from envforge.sandbox import cgroup, record
from envforge.sandbox.limits import bases
from envforge.sandbox.limits.model import Usage
from envforge.sandbox.limits.processes import below, parent_of, waited_ns

_UNLIMITED_BYTES: Final = 1 << 62
"""Version 1 writes the largest number of pages for no limit."""
_LOOPBACK: Final = "lo"


def places(paths: Iterable[str], first: int) -> list[str]:
    """Return all directories of the cgroup of a sandbox: an update or a pause may have added some."""
    found = list(paths)
    name = record.cgroup_name(parent_of(first), first)
    found += [f"{base}/{name}" for base in bases.all_bases() if f"{base}/{name}" not in found]
    return [path for path in found if os.path.isdir(path)]


def having(paths: Iterable[str], file: str) -> str:
    """Return that file of a cgroup, empty where it has none."""
    return next((f"{path}/{file}" for path in paths if os.path.exists(f"{path}/{file}")), "")


def read(paths: Iterable[str], first: int, *, own_network: bool = False) -> Usage:
    """Return what a sandbox uses; `first` is its PID 1 on the host. Zeros and None once it has ended."""
    there = places(paths, first)
    received, sent = _network(first) if own_network else (None, None)
    if not there:
        return _of_processes(first, received, sent)
    events = _numbers(having(there, "memory.events") or having(there, "memory.oom_control"))
    read_bytes, written = _disks(there)
    return Usage(
        cpu_ns=_processors(there),
        memory_bytes=_memory(there),
        memory_peak_bytes=_number(having(there, "memory.peak") or having(there, "memory.max_usage_in_bytes")),
        memory_limit_bytes=_limit(having(there, "memory.max") or having(there, "memory.limit_in_bytes")),
        pids=_number(having(there, "pids.current")),
        pids_limit=_without_first(_limit(having(there, "pids.max"))),
        read_bytes=read_bytes,
        written_bytes=written,
        received_bytes=received,
        sent_bytes=sent,
        oom_kills=events.get("oom_kill", 0),
        frozen=is_frozen(there),
    )


def _of_processes(first: int, received: int | None, sent: int | None) -> Usage:
    """Return the sum over what runs now; processor time of ended processes counts for those that waited."""
    known = below(first)
    return Usage(
        cpu_ns=sum(one.cpu_ns for one in known) + waited_ns(first),
        memory_bytes=sum(one.memory_bytes for one in known),
        pids=sum(one.threads for one in known),
        received_bytes=received,
        sent_bytes=sent,
    )


def is_frozen(there: Iterable[str]) -> bool:
    """Say whether a sandbox is paused."""
    there = list(there)
    if state := having(there, "freezer.state"):
        return _text(state) != "THAWED"
    return _text(having(there, "cgroup.freeze")) == "1"


def _processors(there: list[str]) -> int | None:
    if counter := having(there, "cpuacct.usage"):
        return _number(counter)
    used = _numbers(having(there, "cpu.stat")).get("usage_usec")
    return None if used is None else used * 1000


def _memory(there: list[str]) -> int | None:
    used = _number(having(there, "memory.current") or having(there, "memory.usage_in_bytes"))
    about = _numbers(having(there, "memory.stat"))
    idle = about.get("total_inactive_file", about.get("inactive_file", 0))
    return None if used is None else max(0, used - idle)


def _disks(there: list[str]) -> tuple[int | None, int | None]:
    """Return the bytes read from and written to all disks; stacked ones count them each."""
    if counter := having(there, "blkio.throttle.io_service_bytes_recursive"):
        words = [line.split() for line in _text(counter).splitlines()]
        return tuple(sum(int(one[2]) for one in words if one[1:2] == [verb]) for verb in ("Read", "Write"))  # type: ignore[return-value]
    counter = having(there, "io.stat")
    if not counter:
        return None, None
    totals = {"rbytes": 0, "wbytes": 0}
    for word in _text(counter).split():
        key, _, value = word.partition("=")
        if key in totals:
            totals[key] += int(value)
    return totals["rbytes"], totals["wbytes"]


def _network(first: int) -> tuple[int | None, int | None]:
    """Return what went over the interfaces of a sandbox's own network, loopback left out (proc_net(5))."""
    received = sent = 0
    lines = _text(f"/proc/{first}/net/dev").splitlines()[2:]
    for line in lines:
        name, _, rest = line.partition(":")
        counters = rest.split()
        if name.strip() != _LOOPBACK and len(counters) > 8:
            received, sent = received + int(counters[0]), sent + int(counters[8])
    return (received, sent) if lines else (None, None)


def _text(path: str) -> str:
    if not path:
        return ""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""  # it has ended


def _number(path: str) -> int | None:
    text = _text(path)
    return int(text) if text.isdecimal() else None


def _limit(path: str) -> int | None:
    number = _number(path)
    return None if number is None or number >= _UNLIMITED_BYTES else number


def _without_first(limit: int | None) -> int | None:
    """Return a limit of processes as it was asked for: the kernel's counts our PID 1 too."""
    return None if limit is None else limit - 1


def _numbers(path: str) -> dict[str, int]:
    return {name.decode(): number for name, number in cgroup.numbers(_text(path).encode()).items()}
