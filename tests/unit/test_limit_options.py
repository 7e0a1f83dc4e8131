"""Limits as options, with Docker's names and meaning, over those of the spec."""

import pytest

from envforge.environment.entering.limits import limits_of
from envforge.errors import UsageError
from envforge.sandbox.limits.model import NO_LIMIT, Limits
from envforge.spec.limits import Limits as Table

GIB = 1 << 30


def test_the_spec_alone():
    assert limits_of(Table()) == Limits()
    table = Table(memory="1GiB", swap="1GB", cpus=1.5, pids=10, io_read="5MB/s", required=False)
    assert limits_of(table) == Limits(
        memory=GIB, swap=10**9, cpus=1.5, pids=10, io_read=5_000_000, required=False
    )


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ([("memory", "512m")], Limits(memory=512 << 20)),
        ([("memory", "1.5G")], Limits(memory=3 * GIB // 2)),
        ([("memory", "8MB")], Limits(memory=8_000_000)),
        ([("memory", "8MiB")], Limits(memory=8 << 20)),
        ([("memory", "1g"), ("memory-swap", "3g")], Limits(memory=GIB, swap=2 * GIB)),
        ([("memory-swap", "-1"), ("memory", "1g")], Limits(memory=GIB, swap=NO_LIMIT)),
        ([("cpus", ".5")], Limits(cpus=0.5)),
        ([("cpu-shares", "2048")], Limits(cpu_weight=200)),
        ([("cpu-weight", "50")], Limits(cpu_weight=50)),
        ([("pids-limit", "-1")], Limits(pids=NO_LIMIT)),
        ([("pids-limit", "5"), ("pids-limit", "6")], Limits(pids=6)),
        ([("device-read-bps", "1m")], Limits(io_read=1 << 20)),
        ([("device-write-bps", "/dev/null:1m")], Limits(devices=(("/dev/null", "write", 1 << 20),))),
        ([("cpuset-cpus", "0-3")], Limits(cpuset="0-3")),
    ],
)
def test_options(options, meant):
    assert limits_of(Table(), options) == meant


@pytest.mark.parametrize(
    "option",
    [
        ("memory", "lots"),
        ("memory", "5m"),
        ("memory", "-1"),
        ("memory-swap", "1g"),
        ("cpus", "0"),
        ("cpus", "nan"),
        ("cpus", "x"),
        ("cpu-weight", "0"),
        ("cpu-shares", "1"),
        ("pids-limit", "x"),
        ("cpuset-cpus", "a"),
        ("device-read-bps", "x:1m"),
        ("device-read-bps", "/nowhere:1m"),
        ("device-write-bps", "0m"),
    ],
)
def test_nonsense(option):
    with pytest.raises(UsageError):
        limits_of(Table(), [option])


def test_swap_is_part_of_what_docker_calls_memory_swap():
    with pytest.raises(UsageError):
        limits_of(Table(memory="1GiB"), [("memory-swap", "512m")])
