"""`[limits]` as data, and the grammar of the amounts in it. Patterns as in `grammar.py`."""

import re
from typing import Final

from envforge.spec.grammar import Rule, quoted
from envforge.spec.keys import named
from envforge.values import field, frozen


def _size_advice(value: str) -> str:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?", value.lower().strip())
    if not found or (found[3] and not found[2]):
        return "a limit cannot be negative" if value.startswith("-") else ""
    return f"did you mean {quoted(f'{found[1]}{found[2].upper()}{found[3]}B')}?"


def _rate_advice(value: str) -> str:
    size = value.lower().removesuffix("/s").removesuffix("ps").strip()
    guess = _size_advice(size)
    return guess.replace('"?', '/s"?') if guess.startswith("did") else guess


def _processors_advice(value: str) -> str:
    return "without spaces" if " " in value else ""


SIZE: Final = Rule(
    r"[0-9]+(?:\.[0-9]+)? ?(?:[kKMGT]i?)?B?", 'a size, such as "512MiB" or "2GB"', _size_advice
)
RATE: Final = Rule(r"[0-9]+(?:\.[0-9]+)? ?(?:[kKMGT]i?)?B?/s", 'a rate, such as "50MB/s"', _rate_advice)
PROCESSORS: Final = Rule(
    r"[0-9]{1,4}(?:-[0-9]{1,4})?(?:,[0-9]{1,4}(?:-[0-9]{1,4})?)*",
    'processors by number, such as "0", "0,2" or "0-3"',
    _processors_advice,
)


@frozen
class Limits:
    """`[limits]`: how much of the machine the environment may use once it is entered.

    They hold for each `run` and `shell` by itself, and for all that it starts. The kernel enforces them by
    cgroups, which take root, or with version 2 the user manager of systemd that a login starts (without a
    login `loginctl enable-linger` does); `envforge doctor` says what there is. `pids` needs none.
    `envforge run` takes each as an option too.
    """

    memory: str = field(default="", metadata=named("memory", rule=SIZE, otherwise="no limit"))
    """How much memory, files in `/tmp` and cached ones included: `"512MiB"`. What needs more is killed: the
    command ends with 137, and that is said. 6 MiB is the least."""

    swap: str = field(default="", metadata=named("swap", rule=SIZE, otherwise="none beside `memory`"))
    """How much swap space besides that memory. Needs `memory`."""

    cpus: float = field(default=0.0, metadata=named("cpus", least=0.01, most=8192, otherwise="no limit"))
    """How many processors' time: `1.5` is one and a half, spread over all of them."""

    cpu_weight: int = field(default=100, metadata=named("cpu-weight", least=1, most=10000))
    """The share of the processors where others want them too: twice the number gets twice the time."""

    cpuset: str = field(default="", metadata=named("cpuset", rule=PROCESSORS, otherwise="all processors"))
    """The only processors that are used, by number: `"0-3"`, `"0,2"`."""

    pids: int = field(default=4096, metadata=named("pids", least=1, most=4194304))
    """How many processes and threads at once, so that a fork bomb ends by itself. Where no cgroup can be had
    they are counted for each user inside (`RLIMIT_NPROC` in the sandbox's own user namespace)."""

    io_read: str = field(default="", metadata=named("io-read", rule=RATE, otherwise="no limit"))
    """How fast may be read from each disk: `"50MB/s"`."""

    io_write: str = field(default="", metadata=named("io-write", rule=RATE, otherwise="no limit"))
    """How fast may be written to each disk. With cgroups of version 1 the kernel counts only what is written
    directly or synced (fsync(2)), not what it writes back later."""

    required: bool = field(default=True, metadata=named("required"))
    """Whether a limit of this table that cannot be enforced here is an error. With `false` it is told on
    entering, and left out."""
