"""`python -m tests.bench.services`: how soon three services that depend on each other are ready.

The services of `specs/services` (PostgreSQL, Redis, a page that waits for both), built, with a database that
has been made. `up --wait` of all of them, beside `up --wait` of the slowest of the two that wait for nothing,
in turns: what is asked is that the whole takes at most 1.5 s more. A Markdown table.
"""

import argparse
import os
import shutil
import statistics
import sys
import sysconfig
import tempfile
from pathlib import Path

from tests.bench.containers import Engine
from tests.bench.machine import facts

_SPEC = Path(__file__).parents[2] / "specs" / "services"
_FIRST = ("db", "cache")
_ALLOWED_S = 1.5


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.services", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="envforge-bench-", dir="/var/tmp") as directory:
        own = _built(directory)
        try:
            sys.stdout.write(_report(own, directory, options.rounds))
        finally:
            own.call("down", "--volumes")
            own.call("store", "destroy", "--yes")
    return 0


def _built(directory: str) -> Engine:
    project = f"{directory}/project"
    shutil.copytree(_SPEC, project, ignore=shutil.ignore_patterns("envforge.lock"))
    spec = Path(project, "envforge.toml")
    spec.write_text(spec.read_text().replace('"8000:8000"', '"auto:8000"'))
    Path(directory, "home").mkdir()
    words = [f"{sysconfig.get_path('scripts')}/envforge", "--store", f"{directory}/store"]
    own = Engine(
        "envforge", words, environment={**os.environ, "HOME": f"{directory}/home"}, directory=project
    )
    own.call("allow", "--yes")
    own.call("up", "--wait")  # builds, and makes the database
    own.call("down")
    return own


def _report(own: Engine, directory: str, rounds: int) -> str:
    for number in range(rounds):
        sys.stderr.write(f"round {number + 1} of {rounds}\n")
        for services in (*((one,) for one in _FIRST), ()):
            own.note(" ".join(services) or "all", own.call("up", "--wait", *services))
            own.call("down")
    slowest = max(own.median(one) for one in _FIRST)
    further = statistics.median(own.samples["all"]) - slowest
    lines = ["# Services\n", *(f"- {name}: {value}" for name, value in facts(directory).items()), ""]
    lines += [f"| median of {rounds} | until `up --wait` returns |", "|---|--:|"]
    lines += [f"| {what} | {own.median(what):.2f} s |" for what in own.samples]
    lines += ["", "| promise | allowed | measured | |", "|---|--:|--:|---|"]
    held = "held" if further <= _ALLOWED_S else "**missed**"
    lines.append(f"| all, after the slowest of them | {_ALLOWED_S} s | {further:.2f} s | {held} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
