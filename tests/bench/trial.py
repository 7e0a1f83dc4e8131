"""One thing measured of one peer, and how it is timed. Peers say what; only this module holds a clock."""

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

from attrs import Factory, define, field, frozen

_SAMPLE_S = 0.1
_LOG = "bench.log"


class Measure(Enum):
    """What is measured; the value is how the table calls it."""

    ENTRY = "warm entry (`true` and back)"
    NOTHING = "from nothing, lock present"
    SAME = "no change"
    INERT = "add an inert package (jq)"
    ACTIVE = "add an active package (tmux)"
    LOCK = "lock, index warm"
    TWO = "lock of two environments that share most, index warm"
    CACHED = "from nothing, with a warm --cache directory"
    DISK = "six similar environments"
    MEMORY = "peak memory of a build"


def prepare_nothing() -> None:
    """Prepare nothing."""


@frozen
class Command:
    """A program to start, with its surroundings."""

    words: Sequence[str]
    environment: Mapping[str, str] = Factory(lambda: dict(os.environ))
    directory: str = "/"


@frozen
class Trial:
    """Something that one peer does."""

    measure: Measure
    peer: str
    command: Command | Callable[[], Command | float]
    """A program to time (or what gives it, once all is prepared), or a function that returns bytes."""
    prepare: Callable[[], None] = field(default=prepare_nothing)
    """Done before each run, not timed."""


class FailedError(Exception):
    """A program of a trial failed; the message holds the end of what it said."""


def call(command: Command) -> None:
    """Run a program to its end. Raises FailedError where it fails."""
    _wait(command, _start(command))


def timed(command: Command) -> float:
    """Return the seconds from starting a program to having reaped it."""
    start = time.perf_counter()
    pid = _start(command)
    _, status, _ = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    _check(command, status)
    return seconds


def peak_memory(command: Command) -> float:
    """Return the most anonymous memory that the program and its children had at one time, in bytes."""
    pid = _start(command)
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_S):
            peak[0] = max(peak[0], sum(map(_anonymous, _family(pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        _wait(command, pid)
    finally:
        done.set()
        watcher.join()
    return float(peak[0])


def disk_usage(*paths: str) -> float:
    """Return the bytes that trees take on disk, each inode once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for path in paths:
        for directory, names, files in os.walk(path):
            for name in [".", *names, *files]:
                status = os.lstat(os.path.join(directory, name))
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    total += status.st_blocks * 512
    return float(total)


@define
class Results:
    """Every sample taken, in the order of the trials."""

    samples: dict[tuple[Measure, str], list[float]] = Factory(dict)
    failures: dict[tuple[Measure, str], str] = Factory(dict)

    def add(self, trial: Trial, value: float) -> None:
        """Keep one sample."""
        self.samples.setdefault((trial.measure, trial.peer), []).append(value)

    def median(self, measure: Measure, peer: str) -> float | None:
        """Return the median of a peer's samples, None where it has none."""
        values = self.samples.get((measure, peer))
        return statistics.median(values) if values else None


def run_rounds(trials: Iterable[Trial], rounds: int, results: Results, say: Callable[[str], None]) -> None:
    """Run the trials one after the other, `rounds` times over: A B C A B C, so that drift meets all alike."""
    alive = list(trials)
    for number in range(rounds):
        for trial in list(alive):
            if number == 0 or trial.measure is not Measure.ENTRY:
                say(f"{trial.measure.value}: {trial.peer} ({number + 1}/{rounds})")
            try:
                trial.prepare()
                done = trial.command if isinstance(trial.command, Command) else trial.command()
                results.add(trial, timed(done) if isinstance(done, Command) else done)
            except FailedError as error:
                results.failures[trial.measure, trial.peer] = str(error)
                alive.remove(trial)


def _start(command: Command) -> int:
    """Start a program in its directory with its output in the log, and return its pid."""
    log = os.open(_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    # posix_spawn takes no directory: `env -C` would be timed too, so the bench stands there itself.
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(command.directory)
        actions = [
            (os.POSIX_SPAWN_DUP2, null, 0),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ]
        return os.posix_spawnp(
            command.words[0], list(command.words), dict(command.environment), file_actions=actions
        )
    finally:
        os.fchdir(before)
        for descriptor in (log, null, before):
            os.close(descriptor)


def _wait(command: Command, pid: int) -> None:
    _check(command, os.wait4(pid, 0)[1])


def _check(command: Command, status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    if code:
        with open(_LOG, encoding="utf-8", errors="replace") as log:
            said = log.read()[-2000:]
        raise FailedError(f"`{' '.join(command.words)}` gave {code}: {said.strip()}")


def _family(root: int) -> list[int]:
    """Return the pid and those of its children and theirs."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
        children.setdefault(parent, []).append(int(name))
    found, pending = [], [root]
    while pending:
        found.append(pending.pop())
        pending += children.get(found[-1], [])
    return found


def _anonymous(pid: int) -> int:
    """Return the bytes of a process that no file stands behind."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if line.startswith(("RssAnon", "RssShmem")))
    except OSError:
        return 0
    return sum(int(value.split()[0]) * 1024 for value in fields.values())
