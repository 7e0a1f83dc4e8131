"""`python -m tests.bench.containers`: what containers cost, beside podman and docker in the same run.

From `run -d -p` to the first byte of an answer, `exec`, `ps`, `logs`, `stop`, `rm`, memory, and many at once.
All run the same static busybox; engines that are not installed are left out. A Markdown table.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import define, field, frozen

from tests.bench.images import Docker, Podman
from tests.bench.machine import facts
from tests.bench.place import Place

_ENVFORGE = f"{sysconfig.get_path('scripts')}/envforge"
_SERVER = ("busybox", "httpd", "-f", "-p", "8080", "-h", "/etc")
_SPEC = 'name = "shop"\n[debian]\nsuite = "bookworm"\npackages = ["busybox-static"]\npockets = []\n'
_PATIENCE_S = 30.0
_MEMORY_MIB = 15
_MANY_S = 0.3
_ABOVE_PYTHON_S = {"exec -- true": 0.015, "ps": 0.15, "logs": 0.15, "stop": 0.15, "rm": 0.15}
_RUN = "run -d -p, to the first byte"


@define
class Engine:
    """Something that runs containers."""

    name: str
    words: Sequence[str]
    image: Sequence[str] = ()
    """What stands between `run`'s options and the command."""
    environment: dict[str, str] = field(factory=lambda: dict(os.environ))
    directory: str = "/"
    samples: dict[str, list[float]] = field(factory=dict)

    def call(self, *words: str) -> float:
        """Run one of its commands; return its seconds."""
        began = time.perf_counter()
        done = subprocess.run(
            [*self.words, *words],
            env=self.environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"{self.name} {words}: {done.returncode} {done.stderr.decode()[-500:]}")
        return seconds

    def note(self, what: str, seconds: float) -> None:
        """Keep one sample."""
        self.samples.setdefault(what, []).append(seconds)

    def median(self, what: str) -> float:
        """Return the median of the samples."""
        return statistics.median(self.samples[what])


@frozen
class Row:
    """One promise."""

    what: str
    measured: str
    allowed: str
    held: bool


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.containers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--many", type=int, default=200, help="so many containers at once (default: 200)")
    parser.add_argument("--without", action="append", default=[], metavar="ENGINE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="envforge-bench-", dir="/var/tmp") as directory:
        own = made_engine(directory)
        try:
            sys.stdout.write(_report(directory, own, options))
        finally:
            subprocess.run(
                [*own.words, "store", "destroy", "--yes"], env=own.environment, cwd=own.directory, check=False
            )
    return 0


def _report(directory: str, own: Engine, options: argparse.Namespace) -> str:
    engines, stops = [own], []
    for kind in (_podman, _docker):
        engine, stop = kind(directory)
        if engine is not None and engine.name not in options.without:
            engines.append(engine)
        stops.append(stop)
    try:
        python = Engine("python3", [sys.executable, "-c", "pass"])
        for number in range(options.rounds):
            sys.stderr.write(f"round {number + 1} of {options.rounds}\n")
            for engine in engines:
                _round(engine)
            python.note("pass", python.call())
    finally:
        for stop in stops:
            stop()
    lines = ["# Containers\n", *(f"- {name}: {value}" for name, value in facts(directory).items()), ""]
    names = " | ".join(one.name for one in engines)
    lines += [f"| median of {options.rounds} | {names} |", f"|---|{'--:|' * len(engines)}"]
    for what in own.samples:
        lines.append(
            f"| {what} | " + " | ".join(f"{one.median(what) * 1000:.0f} ms" for one in engines) + " |"
        )
    rows = [*_promises(engines, python.median("pass")), *_memory(own), *_many(own, options.many)]
    lines += ["", "| promise | allowed | measured | |", "|---|--:|--:|---|"]
    lines += [
        f"| {row.what} | {row.allowed} | {row.measured} | {'held' if row.held else '**missed**'} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def made_engine(directory: str, spec: str = _SPEC) -> Engine:
    """Return envforge with a store and a built environment of its own."""
    project = f"{directory}/project"
    os.makedirs(f"{directory}/home")
    os.makedirs(project)
    Path(project, "envforge.toml").write_text(spec)
    own = Engine(
        "envforge",
        [_ENVFORGE, "--store", f"{directory}/store"],
        environment={**os.environ, "HOME": f"{directory}/home"},
        directory=project,
    )
    own.call("build")
    return own


def _base(directory: str) -> Place:
    """Make an image of the same busybox, as a tar."""
    place = Place(directory)
    if not os.path.exists(place.tar):
        tree = f"{directory}/image"
        os.makedirs(f"{tree}/bin")
        os.makedirs(f"{tree}/etc")
        subprocess.run(["cp", "/bin/busybox", f"{tree}/bin/busybox"], check=True)
        for name in ("true", "sh", "sleep"):
            os.symlink("busybox", f"{tree}/bin/{name}")
        Path(tree, "etc", "index.html").write_text("x\n")
        subprocess.run(["tar", "-C", tree, "-cf", place.tar, "."], check=True)
    return place


def _podman(directory: str) -> tuple[Engine | None, Callable[[], None]]:
    peer = Podman()
    if not all(map(_installed, peer.programs)):
        return None, lambda: None
    place = _base(directory)
    storage = f"{directory}/podman"
    words = ["podman", "--root", f"{storage}/root", "--runroot", f"{storage}/run"]
    words += ["--runtime", "runc", "--cgroup-manager", "cgroupfs"]
    subprocess.run([*words, "import", place.tar, "base"], check=True, capture_output=True)
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    return Engine("podman", words, [*limits, "base"]), lambda: None


def _docker(directory: str) -> tuple[Engine | None, Callable[[], None]]:
    peer = Docker()
    if not all(map(_installed, peer.programs)):
        return None, lambda: None
    place = _base(directory)
    peer.boot(place, publishes=True)
    subprocess.run([*peer.engine, "import", place.tar, "base"], check=True, capture_output=True)
    return Engine("docker", peer.engine, ["base"]), peer.stop


def _installed(program: str) -> bool:
    return any(os.access(f"{place}/{program}", os.X_OK) for place in os.environ["PATH"].split(":"))


def _round(engine: Engine) -> None:
    """Take one container through its life."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    separator = ["--"] if not engine.image else []
    began = time.perf_counter()
    engine.call("run", "-d", "--name", "box", "-p", f"{port}:8080", *engine.image, *separator, *_SERVER)
    _first_byte(port)
    engine.note(_RUN, time.perf_counter() - began)
    engine.note("exec -- true", engine.call("exec", "box", *separator, "true"))
    engine.note("ps", engine.call("ps"))
    engine.note("logs", engine.call("logs", "box"))
    engine.note("stop", engine.call("stop", "box"))
    engine.note("rm", engine.call("rm", "box"))


def _first_byte(port: int) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if connection.recv(1):
                    return
        except OSError:
            pass
        time.sleep(0.001)
    raise RuntimeError("nothing answers")


def _promises(engines: Sequence[Engine], python: float) -> Iterator[Row]:
    own = engines[0]
    for other in engines[1:]:
        part = own.median(_RUN) / other.median(_RUN)
        yield Row(f"{_RUN}, of {other.name}", f"{part:.3f}", "0.250", part <= 0.25)
    for what, allowed in _ABOVE_PYTHON_S.items():
        above = own.median(what) - python
        yield Row(
            f"`{what}`, above python3 -c pass",
            f"{above * 1000:.0f} ms",
            f"{allowed * 1000:.0f} ms",
            above <= allowed,
        )


def _memory(own: Engine) -> Iterator[Row]:
    """Measure the private memory of what a container has besides its command."""
    own.call("run", "-d", "--name", "m", "-p", "auto:8080", "--", *_SERVER)
    time.sleep(1)
    container = state_of(own, "m")
    family = descendants(container["supervisor"])
    payload = set(descendants(container["pid"])) - {container["pid"]}
    private = sum(private_kib(pid) for pid in family if pid not in payload) / 1024
    own.call("rm", "-f", "m")
    yield Row(
        "private memory of an idle container, its command aside",
        f"{private:.1f} MiB",
        f"{_MEMORY_MIB} MiB",
        private <= _MEMORY_MIB,
    )


def state_of(own: Engine, name: str) -> dict[str, int]:
    """Return what a container's state says, its pids among it."""
    store = own.words[2]
    identifier = os.readlink(f"{store}/containers/names/{name}")
    values: dict[str, int] = json.loads(Path(store, "containers", identifier, "state.json").read_text())
    return values


def descendants(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def private_kib(pid: int) -> int:
    """Return the memory that no other process shares, in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def _many(own: Engine, count: int) -> Iterator[Row]:
    """Run many at once, and see what is left of them."""
    before = _there_is(own)
    for number in range(count):
        own.call("run", "-d", "--name", f"n{number}", "--", "sleep", "1000")
    slowest = 0.0
    for words in (
        ("ps",),
        ("logs", "n0"),
        ("exec", "n1", "--", "true"),
        ("stop", "-t", "0", "n2"),
        ("rm", "n2"),
    ):
        slowest = max(
            slowest, statistics.median([own.call(*words) for _ in range(1 if "n2" in words else 5)])
        )
    yield Row(
        f"the slowest command while {count} run",
        f"{slowest * 1000:.0f} ms",
        f"{_MANY_S * 1000:.0f} ms",
        slowest <= _MANY_S,
    )
    seconds = own.call("rm", "-f", *(f"n{number}" for number in range(count) if number != 2))
    time.sleep(1)
    left = _there_is(own) - before
    said = ", ".join(f"{count} {kind}" for kind, count in left.items()) or "0"
    yield Row(f"left of them after `rm -f` of all ({seconds:.1f} s)", said, "0", not left)


def _there_is(own: Engine) -> Counter[str]:
    """Count what containers make, by kind: files, mounts, cgroups, processes and their namespaces."""
    store = own.words[2]
    found = Counter[str]()
    for place in ("containers", "uppers", "trash"):
        found["files"] += sum(1 for _ in Path(store, place).rglob("*"))
    found["mounts"] = len(Path("/proc/self/mounts").read_text().splitlines())
    found["cgroups"] = sum(1 for _ in Path("/sys/fs/cgroup").rglob("envforge/*"))
    namespaces = set()
    for process in Path("/proc").iterdir():
        with suppress(OSError):  # of processes that end meanwhile
            command = (process / "cmdline").read_bytes()
            if command and process.name.isdigit():  # no thread of the kernel
                found["processes"] += store.encode() in command or command == b"sleep\x001000\0"
                namespaces.add(os.readlink(process / "ns/mnt"))
    found["mount namespaces"] = len(namespaces)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
