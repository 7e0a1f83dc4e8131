"""What runs: its usage, its processes, pausing it, changing its limits; from another process of its user."""

import os
import signal
import subprocess
import sys
import time
from typing import Self

import pytest
from cgroups import there_now
from processes import children, own_mark, running, sandbox_parent, wait_until

from envforge.errors import LimitError
from envforge.sandbox.limits import control, processes, reading
from envforge.sandbox.limits.model import Limits, Usage

MIB = 1 << 20
pytestmark = pytest.mark.userns

BUSY = """
import sys, time
kept = bytearray(20 << 20)
for at in range(0, len(kept), 4096): kept[at] = 1
print("ready", flush=True)
n = 0
while True:
    n += 1
    if n % 100000 == 0: print(n, flush=True)
"""


class Entered:
    """A box that runs a Python program meanwhile."""

    def __init__(self, box, code: str, **options: object) -> None:
        words = box.command(sys.executable, "-I", "-c", code, python=True, **options)
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.parent = 0

    def __enter__(self) -> Self:
        assert self.process.stdout.readline() == "ready\n"
        self.parent = sandbox_parent(self.process)
        self.first = next(pid for pid in children(self.parent) if _inside(pid) == 1)
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.parent, signal.SIGKILL)
        self.process.wait(20)
        self.process.stdout.close()

    @property
    def cgroup(self) -> list[str]:
        """Its directories as there are now."""
        return there_now(f"{self.parent:x}-{self.first:x}")

    def usage(self) -> Usage:
        return reading.read((), self.first)


def _inside(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[-1]) for line in file if line.startswith("NSpid:"))


def test_what_is_used_is_read(box):
    with Entered(box, BUSY) as one:
        time.sleep(0.5)
        usage = one.usage()
        assert 20 * MIB < usage.memory_bytes < 80 * MIB
        assert usage.cpu_ns > 100_000_000
        assert usage.pids in (1, 2)  # PID 1 is counted by cgroups only


@pytest.mark.parametrize("own_network", [True, False])
def test_the_network_is_read_where_there_is_an_own_one(box, own_network):
    with Entered(box, BUSY, network="none") as one:
        usage = reading.read((), one.first, own_network=own_network)
    assert (usage.received_bytes, usage.sent_bytes) == ((0, 0) if own_network else (None, None))


def test_processes_are_listed(box):
    mark = own_mark("79")
    words = box.command("sh", "-c", f"sleep {mark} & sleep {mark} & echo ready; wait")
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    wait_until(lambda: len(running("sleep", mark)) == 2)
    parent = sandbox_parent(process)
    first = next(pid for pid in children(parent) if _inside(pid) == 1)
    found = processes.below(first)
    assert [one.command for one in found[1:]] == [f"sleep {mark}"] * 2
    assert [one.inside for one in found] == [2, 3, 4]
    assert {one.uid for one in found} <= {box.uid, found[0].uid}
    os.kill(parent, signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not processes.below(first))


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_paused_it_stands_still_and_goes_on_where_it_was(own_box):
    with Entered(own_box, BUSY) as one:
        control.freeze((), one.first)
        wait_until(lambda: one.usage().frozen)
        before = one.usage().cpu_ns
        time.sleep(0.3)
        assert one.usage().cpu_ns - before < 20_000_000
        control.thaw((), one.first)
        wait_until(lambda: one.usage().cpu_ns - before > 50_000_000)
        assert not one.usage().frozen


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_what_dies_while_it_is_paused_leaves_nothing(own_box):
    with Entered(own_box, BUSY) as one:
        control.freeze((), one.first)
        left, first = one.cgroup, one.first
        assert left
    own_box.shell("true")
    wait_until(lambda: not os.path.exists(f"/proc/{first}"))
    own_box.shell("true")
    assert not [path for path in left if os.path.isdir(path)]


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_limits_are_changed_while_it_runs(own_box):
    with Entered(own_box, BUSY) as one:
        control.update((), one.first, Limits(memory=256 * MIB, cpus=0.2, pids=7))
        usage = one.usage()
        assert (usage.memory_limit_bytes, usage.pids_limit) == (256 * MIB, 7)
        begin = one.usage().cpu_ns
        time.sleep(2)
        assert (one.usage().cpu_ns - begin) / 2e9 == pytest.approx(0.2, abs=0.06)
        control.update((), one.first, Limits(memory=512 * MIB))  # up, and down again
        control.update((), one.first, Limits(memory=128 * MIB))
        assert one.usage().memory_limit_bytes == 128 * MIB
        with pytest.raises(LimitError):
            control.update((), one.first, Limits(cpuset="4000"))
        left = one.cgroup
        assert left
    own_box.shell("true")
    own_box.shell("true")
    assert not [path for path in left if os.path.isdir(path)]


@pytest.mark.plain_user
def test_without_a_cgroup_nothing_is_changed_or_paused(single_box):
    code = """
from envforge.errors import LimitError
from envforge.sandbox.limits import choose, control
from envforge.sandbox.limits.model import Limits
me = os.getpid()
for refused in (lambda: control.freeze((), me), lambda: control.update((), me, Limits(pids=5))):
    try:
        print("done" if choose.backend().kind == "" and refused() is None else "has one")
    except LimitError as error:
        print(error.message)
"""
    said = single_box.program(code).splitlines()
    assert "done" not in said
    assert said == ["has one"] * 2 or all(line.startswith("it has no cgroup") for line in said)


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_memory_is_exact_in_the_kernels_counter(own_box):
    code = """
print("ready", flush=True)
kept = []
while True: kept.append(bytearray(1 << 20))
"""
    words = own_box.command(sys.executable, "-I", "-c", code, python=True, limits={"memory": 64 * MIB})
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        for path in there_now():
            peak = max(peak, reading.read((path,), 0).memory_peak_bytes or 0)
    process.communicate()
    assert process.returncode == 137
    assert 60 * MIB < peak <= 64 * MIB
