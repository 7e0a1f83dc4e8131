"""`[limits]`: values that are taken, and nonsense, each with its place."""

import pytest

from envforge.errors import SpecError
from envforge.spec.limits import Limits
from envforge.spec.parse import parse

HEAD = 'name = "x"\n[debian]\nsuite = "bookworm"\n[limits]\n'


def test_all_of_them():
    text = """
        memory = "1.5GiB"
        swap = "100 MB"
        cpus = 2
        cpu-weight = 200
        cpuset = "0-1,3"
        pids = 64
        io-read = "10MB/s"
        io-write = "1GiB/s"
        required = false
    """
    assert parse((HEAD + text).encode(), "f").limits == Limits(
        memory="1.5GiB",
        swap="100 MB",
        cpus=2.0,
        cpu_weight=200,
        cpuset="0-1,3",
        pids=64,
        io_read="10MB/s",
        io_write="1GiB/s",
        required=False,
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            'memory = "512m"',
            'f:5:10: limits.memory: "512m" is not a size, such as "512MiB" or "2GB"; did you',
        ),
        ('memory = "-1GB"', "a limit cannot be negative"),
        ('memory = "5MiB"', 'f:5:10: limits.memory: "5MiB" is too little: 6MiB is the least'),
        ("memory = 1024", 'f:5:10: limits.memory: must be a text, not a number; write it in quotes: "1024"'),
        ('swap = "1GB"', "f:5:8: limits.swap: needs memory"),
        ("cpus = nan", "f:5:8: limits.cpus: must be from 0.01 to 8192, not nan"),
        ("cpus = 0", "f:5:8: limits.cpus: must be from 0.01 to 8192, not 0"),
        ('cpus = "1.5"', "f:5:8: limits.cpus: must be a number, not a text; write 1.5, without quotes"),
        ("cpu-weight = 0", "f:5:14: limits.cpu-weight: must be from 1 to 10000, not 0"),
        ("pids = 0", "f:5:8: limits.pids: must be from 1 to 4194304, not 0"),
        ("pids = 1.5", "f:5:8: limits.pids: must be a number"),
        ('cpuset = "3-1"', 'f:5:10: limits.cpuset: "3-1" ends before it begins'),
        ('cpuset = "0, 1"', "without spaces"),
        ('io-read = "50MB"', 'is not a rate, such as "50MB/s"; did you mean "50MB/s"?'),
        ('io-write = "0MB/s"', 'f:5:12: limits.io-write: "0MB/s" would let nothing through'),
        ('memroy = "1GB"', "f:5:1: limits.memroy: unknown key; did you mean memory?"),
    ],
)
def test_nonsense(line, told):
    with pytest.raises(SpecError) as caught:
        parse((HEAD + line + "\n").encode(), "f")
    assert told in caught.value.message
