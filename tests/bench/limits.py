"""`python -m tests.bench.limits`: how exactly the kernel holds a container to its limits.

Each limit is set by an option of `run -d`, reached by the payload, and read from the kernel's own counters
in the container's cgroup, or from what the payload could do. A Markdown table; exit 1 if one is missed.
Nothing is compared with other engines: it is the same kernel that holds them. Takes root, or a delegated
cgroup; a share of the processors is only given where nobody else takes them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import evolve, frozen

from tests.bench.containers import Engine, Row, made_engine
from tests.bench.machine import facts

MIB = 1 << 20
_MEMORY_MIB = 64
_PIDS = 50
_CPUS = (0.25, 0.5)
_WEIGHTS = (300, 100)
_RATE = 20 * MIB
_WITHIN = {"memory": 0.0, "pids": 0.0, "cpu": 0.05, "io": 0.1}
_PATIENCE_S = 60.0
_SPEC = """\
name = "limits"
[debian]
suite = "bookworm"
packages = ["busybox-static", "python3"]
pockets = []
"""
# Fills memory in a child, as the kernel kills the largest; waits, so that the counters can be read.
_FILL = """
import os, time
if os.fork() == 0:
    kept = []
    while True:
        kept.append(bytearray(1 << 20))
print("ended by", os.wait()[1], flush=True)
time.sleep(1000)
"""
_FORK = """
import os, time
count = 1
while True:
    try:
        child = os.fork()
    except BlockingIOError:
        break
    if child == 0:
        time.sleep(1000)
        os._exit(0)
    count += 1
print(count, flush=True)
time.sleep(1000)
"""
_BUSY = """
import os
os.fork()
print("busy", flush=True)
while True:
    pass
"""
# Past the page cache, as limits of version 1 count only what goes to the disk at once.
_TRANSFER = """
import mmap, os, sys, time
kind, seconds = sys.argv[1], float(sys.argv[2])
piece = mmap.mmap(-1, 1 << 16)
piece.write(os.urandom(1 << 16))
file = os.open("/root/data", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
for at in range(1024 if kind == "read" else 0):
    os.pwrite(file, piece, at << 16)
print("begun", flush=True)
moved, at, start = 0, 0, time.monotonic()
while time.monotonic() - start < seconds:
    at = (at + (1 << 16)) % (1 << 26)
    moved += os.pwrite(file, piece, at) if kind == "write" else os.preadv(file, [piece], at)
print(moved / (time.monotonic() - start), flush=True)
"""


@frozen
class Held:
    """A running container, by its PID 1."""

    engine: Engine
    name: str
    pid: int

    def counter(self, controller: str, *files: str) -> int:
        """Return the first number in the first of these files that its cgroup has."""
        for path in self._directories(controller):
            for file in files:
                try:
                    with open(f"{path}/{file}", encoding="ascii") as said:
                        return int(next(word for word in said.read().split() if word.isdigit()))
                except FileNotFoundError:
                    continue
        raise RuntimeError(f"{self.name} has none of {files}")

    def _directories(self, controller: str) -> Iterator[str]:
        with open(f"/proc/{self.pid}/cgroup", encoding="ascii") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
        for _, names, path in lines:
            if controller in names.split(","):
                yield f"/sys/fs/cgroup/{controller}{path}"
            elif not names:
                yield f"/sys/fs/cgroup{path}"

    def said(self, lines: int) -> list[str]:
        """Return what it printed, once there are so many lines."""
        end = time.monotonic() + _PATIENCE_S
        while len(found := _output(self.engine, "logs", self.name).splitlines()) < lines:
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name} said only {found}")
            time.sleep(0.1)
        return found


def _output(engine: Engine, *words: str) -> str:
    return subprocess.run(
        [*engine.words, *words],
        env=engine.environment,
        cwd=engine.directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    ).stdout


@contextmanager
def _held(engine: Engine, name: str, options: tuple[str, ...], code: str, *arguments: str) -> Iterator[Held]:
    engine.call("run", "-d", "--name", name, *options, "--", "python3", "-c", code, *arguments)
    try:
        (found,) = [one for one in json.loads(_output(engine, "ps", "-a", "--json")) if one["name"] == name]
        if found["status"] != "running":
            raise RuntimeError(f"{name} has ended: {_output(engine, 'logs', name)}")
        if found["not_enforced"]:
            raise RuntimeError(f"not enforced here: {found['not_enforced']}")
        yield Held(engine, name, found["pid"])
    finally:
        engine.call("rm", "-f", name)


def _row(what: str, kind: str, asked: float, measured: float, show: Callable[[float], str]) -> Row:
    off = abs(measured / asked - 1)
    allowed = f"{show(asked)}, {'exactly' if not _WITHIN[kind] else f'within {_WITHIN[kind]:.0%}'}"
    return Row(what, f"{show(measured)} ({measured / asked - 1:+.2%})", allowed, off <= _WITHIN[kind])


def _memory(engine: Engine, _seconds: float) -> Iterator[Row]:
    asked = _MEMORY_MIB * MIB
    with _held(engine, "memory", ("--memory", f"{_MEMORY_MIB}m"), _FILL) as held:
        killed = held.said(1)[0] == "ended by 9"
        limit = held.counter("memory", "memory.limit_in_bytes", "memory.max")
        peak = held.counter("memory", "memory.max_usage_in_bytes", "memory.peak")
    yield _row("memory: the kernel's limit", "memory", asked, limit, lambda size: f"{size:.0f} bytes")
    row = _row("memory: the most that was used", "memory", asked, peak, lambda size: f"{size:.0f} bytes")
    yield evolve(row, held=row.held and killed)


def _pids(engine: Engine, _seconds: float) -> Iterator[Row]:
    with _held(engine, "pids", ("--pids-limit", str(_PIDS)), _FORK) as held:
        yield _row("processes at once", "pids", _PIDS, int(held.said(1)[0]), lambda count: f"{count:.0f}")


def _used_s(held: Held) -> float:
    try:
        return held.counter("cpuacct", "cpuacct.usage") / 1e9
    except RuntimeError:
        return held.counter("cpu", "cpu.stat") / 1e6  # usage_usec comes first


def _cpus(engine: Engine, seconds: float) -> Iterator[Row]:
    for asked in _CPUS:
        with _held(engine, "cpus", ("--cpus", str(asked)), _BUSY) as held:
            held.said(1)
            (share,) = _shares([held], seconds)
        yield _row(
            f"--cpus {asked}, two busy processes, over {seconds:.0f} s", "cpu", asked, share, "{:.4f}".format
        )


def _weights(engine: Engine, seconds: float) -> Iterator[Row]:
    more, less = (("--cpu-weight", str(one), "--cpuset-cpus", "0") for one in _WEIGHTS)
    with _held(engine, "more", more, _BUSY) as first, _held(engine, "less", less, _BUSY) as second:
        for one in (first, second):
            one.said(1)
        shares = _shares([first, second], seconds)
    asked = _WEIGHTS[0] / _WEIGHTS[1]
    what = f"weights {_WEIGHTS[0]} and {_WEIGHTS[1]} on one processor, over {seconds:.0f} s: the ratio"
    yield _row(what, "cpu", asked, shares[0] / shares[1], "{:.3f}".format)


def _shares(running: list[Held], seconds: float) -> list[float]:
    """Return how many processors each of them used."""
    start, before = time.monotonic(), [_used_s(one) for one in running]
    time.sleep(seconds)
    after, passed = [_used_s(one) for one in running], time.monotonic() - start
    return [(now - then) / passed for now, then in zip(after, before, strict=True)]


def _rates(engine: Engine, seconds: float) -> Iterator[Row]:
    for kind in ("read", "write"):
        with _held(engine, "free", (), _TRANSFER, kind, "1") as held:
            possible = float(held.said(2)[1])
        option = (f"--device-{kind}-bps", f"{_RATE // MIB}m")
        with _held(engine, "io", option, _TRANSFER, kind, str(seconds)) as held:
            rate = float(held.said(2)[1])
        what = f"io {kind}, over {seconds:.0f} s (without a limit {possible / MIB:.0f} MiB/s)"
        yield _row(what, "io", _RATE, rate, lambda rate: f"{rate / MIB:.2f} MiB/s")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.limits", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for what is a rate (default: 5)")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="envforge-bench-", dir="/var/tmp") as directory:
        engine = made_engine(directory, _SPEC)
        try:
            lines = [f"- {name}: {value}" for name, value in facts(directory).items()]
            for measure in (_rates, _memory, _pids, _cpus, _weights):
                rows += measure(engine, options.seconds)
        finally:
            words = [*engine.words, "store", "destroy", "--yes"]
            subprocess.run(words, env=engine.environment, cwd=engine.directory, check=False)
    lines += ["", "| limit | asked | measured | |", "|---|--:|--:|---|"]
    for row in rows:
        lines.append(
            f"| {row.what} | {row.allowed} | {row.measured} | {'held' if row.held else '**missed**'} |"
        )
    sys.stdout.write("# Limits\n\n" + "\n".join(lines) + "\n")
    return 0 if all(row.held for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
