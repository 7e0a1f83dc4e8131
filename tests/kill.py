"""Kill builds at random moments, and see that the store never notices. `python tests/kill.py --times 200`.

Every round starts a build in a process group of its own, kills all of it with SIGKILL after a random time,
and looks at what is published. After the last one a build must succeed with the digest of an undisturbed one.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import store_check
from commandline import CommandLine

_SPEC = 'name = "kill"\n\n[debian]\nsuite = "bookworm"\npackages = ["hello"]\npockets = []\n'


class StoreBrokenError(AssertionError):
    """A kill left something published that is not whole."""


def make_project(top: Path) -> CommandLine:
    """Return a small project in `top`, locked, with an empty store."""
    line = CommandLine(top / "project", top / "store", top / "home")
    line.directory.mkdir()
    line.home.mkdir()
    (line.directory / "envforge.toml").write_text(_SPEC)
    line.succeed("lock")
    return line


def build_again(line: CommandLine) -> str:
    """Build and return the environment's digest. Raises StoreBrokenError if the store is not whole then."""
    said = line.succeed("build", "--json")
    _insist(line, settled=True)
    return str(json.loads(said)["environment"])


def kill_builds(line: CommandLine, times: int, longest_s: float, seed: int) -> list[float]:
    """Kill that many builds after random times up to `longest_s`; return the times.

    After a build that ended before its time the next one has nothing to do, so the layers are forgotten.
    """
    chance = random.Random(seed)
    moments = []
    for _ in range(times):
        moment = chance.uniform(0.05, longest_s)
        if not _kill_one(line, moment):
            _forget_layers(line)
        _insist(line, settled=False)
        moments.append(moment)
    return moments


def _kill_one(line: CommandLine, after_s: float) -> bool:
    """Start a build and kill it; return whether it was still running."""
    process = subprocess.Popen(
        line.words("build"),
        cwd=line.directory,
        env=line.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _wait_for_group(process.pid)
        return True
    return False


def _wait_for_group(group: int) -> None:
    """Wait until the last process of a killed group is gone: what it had open is closed only then."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise StoreBrokenError(f"processes of the group {group} outlived SIGKILL")


def _forget_layers(line: CommandLine) -> None:
    """Make the next build work again: records say what need not be built."""
    for path in [*line.store.glob("records/*.json"), *line.store.glob("environments/*.json")]:
        path.unlink()


def _insist(line: CommandLine, *, settled: bool) -> None:
    """Check what is published, and after a finished command also that nothing half-made is left."""
    problems = store_check.problems(str(line.store))
    if not settled:
        problems = [text for text in problems if not text.endswith("was left behind")]
    if problems:
        raise StoreBrokenError("\n".join(problems[:20]))


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="envforge-kill-", dir="/var/tmp") as directory:
        line = make_project(Path(directory))
        start = time.monotonic()
        expected = build_again(line)
        longest_s = time.monotonic() - start
        line.succeed("store", "destroy", "--yes")
        sys.stdout.write(f"seed {options.seed}, up to {longest_s:.1f} s each\n")
        kill_builds(line, options.times, longest_s, options.seed)
        if build_again(line) != expected:
            raise StoreBrokenError("the digest is another one after the kills")
        line.succeed("store", "destroy", "--yes")
    sys.stdout.write(f"{options.times} builds killed; the store is whole and the digest the same\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
