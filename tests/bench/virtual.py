"""`python -m tests.bench.virtual`: a container beside a virtual machine of the same environment.

qemu boots Debian's cloud kernel over the environment's files until its shell prints a word; the container
prints the same word. Without `--kvm` qemu emulates the processor, and the table says so; memory is the same
either way. A Markdown table.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.containers import Engine, descendants, made_engine, private_kib, state_of
from tests.bench.machine import facts

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.vm import harness

_MEMORY = "256M"
_WORD = b"inside"
_GUEST = "#!/bin/sh\necho inside >/dev/console\nexec sleep 1000\n"
_TREE = ("tar", "-C", "/", "--one-file-system", "-cf", "-", ".")
_MEASURES = (
    ("start", "start, to the first word", "ms", 1000),
    ("memory", "private memory, all processes together", "MiB", 1),
)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.virtual", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--machine", help="directory in which the kernel is kept")
    parser.add_argument("--kvm", action="store_true", help="where it works")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="envforge-bench-", dir="/var/tmp") as directory:
        own = made_engine(directory)
        try:
            guest = _make_guest(own, directory, options)
            sys.stdout.write(_report(own, guest, directory, options.rounds))
        finally:
            own.call("store", "destroy", "--yes")
    return 0


def _report(own: Engine, guest: list[str], directory: str, rounds: int) -> str:
    samples: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, started in (("container", _container(own)), ("machine", _machine(guest))):
            began = time.perf_counter()
            with started as pids:
                samples.setdefault(f"{name} start", []).append(time.perf_counter() - began)
                time.sleep(1)
                memory = sum(private_kib(pid) for pid in pids) / 1024
                samples.setdefault(f"{name} memory", []).append(memory)
    median = {name: statistics.median(values) for name, values in samples.items()}
    how = "with KVM" if "kvm" in guest else "emulated"
    lines = [
        "# Beside a virtual machine\n",
        *(f"- {name}: {value}" for name, value in facts(directory).items()),
    ]
    lines += ["", f"| median of {rounds} | container | qemu ({how}) | ratio |", "|---|--:|--:|--:|"]
    for what, unit, factor in (("start", "ms", 1000), ("memory", "MiB", 1)):
        ours, theirs = median[f"container {what}"] * factor, median[f"machine {what}"] * factor
        lines.append(
            f"| {what}, to the first word | {ours:.0f} {unit} | {theirs:.0f} {unit} | {ours / theirs:.3f} |"
        )
    lines[-1] = lines[-1].replace("to the first word", "private, all processes together")
    return "\n".join(lines) + "\n"


@contextmanager
def _container(own: Engine) -> Iterator[list[int]]:
    """Run a container until it has said the word; yield the pids of all that it needs."""
    own.call("run", "-d", "--name", "c", "--", "sh", "-c", "echo inside; exec sleep 1000")
    state = state_of(own, "c")
    log = Path(own.words[2], "containers", os.readlink(f"{own.words[2]}/containers/names/c"), "log")
    while not log.exists() or _WORD not in log.read_bytes():
        time.sleep(0.001)
    try:
        yield descendants(state["supervisor"])
    finally:
        own.call("rm", "-f", "c")


@contextmanager
def _machine(command: list[str]) -> Iterator[list[int]]:
    """Boot the machine until it has said the word; yield qemu's pid."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            if not any(_WORD in line for line in process.stdout):
                raise RuntimeError("the machine ended before it said anything")
            yield [process.pid]
        finally:
            process.kill()


def _make_guest(own: Engine, directory: str, options: argparse.Namespace) -> list[str]:
    """Return the command line of a machine whose root is the environment."""
    place = options.machine or f"{directory}/machine"
    machine = harness.make_machine(place, root=_make_root(own, directory))
    accelerator = ("-accel", "kvm") if options.kvm else ("-accel", "tcg,thread=multi")
    return harness.command(machine, memory=_MEMORY, accelerator=accelerator)


def _make_root(own: Engine, directory: str) -> str:
    """Write a disk of the environment's files, as they are inside."""
    tree, disk = f"{directory}/tree", f"{directory}/tree.img"
    os.mkdir(tree)
    with subprocess.Popen(
        [*own.words, "run", "--", *_TREE], cwd=own.directory, env=own.environment, stdout=subprocess.PIPE
    ) as packed:
        subprocess.run(["tar", "-C", tree, "-xf", "-"], stdin=packed.stdout, check=True)
    guest = Path(tree, "sbin", "guest")
    guest.write_text(_GUEST)
    guest.chmod(0o755)
    harness.make_disk(tree, disk, 64)
    shutil.rmtree(tree)
    return disk


if __name__ == "__main__":
    raise SystemExit(main())
