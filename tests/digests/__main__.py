"""Builds every example spec in every way, each in a store of its own, and compares the digests.

    python -m tests.digests [SPEC…]     all of specs/ where none is named; as root, tens of minutes

Ways: root with one worker, root with four in another place, a user with subordinate ids, a user with a single
id. The lock is made once, by the first; the others build it with `--locked`.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from users import RANGES, SINGLE, lend  # noqa: E402 - found by the line above

SPECS = TESTS.parent / "specs"
COMMAND = os.path.join(sysconfig.get_path("scripts"), "envforge")
Runner = Callable[[Sequence[str], Path], subprocess.CompletedProcess[str]]


@contextmanager
def as_root() -> Iterator[tuple[Path, Runner]]:
    """Give a home of root's own, and what runs commands in it."""
    with tempfile.TemporaryDirectory(prefix="envforge-digests-", dir="/var/tmp") as home:

        def run(command: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
            variables = {**os.environ, "HOME": home, "XDG_DATA_HOME": "", "XDG_STATE_HOME": ""}
            return subprocess.run(
                command, cwd=directory, env=variables, capture_output=True, text=True, check=False
            )

        yield Path(home), run


@contextmanager
def as_user(name: str) -> Iterator[tuple[Path, Runner]]:
    """Give a home of that test user, and what runs commands in it."""
    with lend(name) as user:

        def run(command: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
            return user.run(command, cwd=str(directory), check=False, timeout_s=3600)

        yield Path(user.home), run


WAYS = {
    "root, 1 worker": (as_root, ("--workers", "1")),
    "root, 4 workers": (as_root, ("--workers", "4")),
    "subordinate ids": (lambda: as_user(RANGES), ()),
    "single id": (lambda: as_user(SINGLE), ()),
}


def build(source: Path, lock: Path, way: str) -> tuple[str, float]:
    """Return the digest that a way of building gives, or what it said, and the seconds it took."""
    opened, options = WAYS[way]
    with opened() as (home, run):
        project = home / f"a project of {way}" / source.name
        shutil.copytree(source, project, ignore=shutil.ignore_patterns("envforge.lock", "data"))
        if lock.exists():
            shutil.copy(lock, project / "envforge.lock")
        status = os.stat(home)
        subprocess.run(["chown", "-R", f"{status.st_uid}:{status.st_gid}", str(project.parent)], check=True)
        strict = ("--locked",) if lock.exists() else ()
        store = home / "a store"
        started = time.monotonic()
        result = run([COMMAND, "--store", str(store), "build", "--json", *strict, *options], project)
        seconds = time.monotonic() - started
        if not lock.exists() and not result.returncode:
            shutil.copy(project / "envforge.lock", lock)
        run([COMMAND, "--store", str(store), "store", "destroy", "--yes"], project)
    if result.returncode:
        return result.stderr.strip()[-600:], seconds
    return json.loads(result.stdout)["environment"].removeprefix("sha256:"), seconds


def main(names: Sequence[str]) -> int:
    """Print a line for each spec and way; return 1 where digests differ."""
    known = sorted(path.parent.name for path in SPECS.glob("*/envforge.toml"))
    different = 0
    with tempfile.TemporaryDirectory() as place:
        for name in names or known:
            digests = set()
            for way in WAYS:
                digest, seconds = build(SPECS / name, Path(place) / f"{name}.lock", way)
                digests.add(digest)
                print(f"{name:<14} {way:<16} {seconds:7.1f} s  {digest}", flush=True)
            different += len(digests) > 1
    print(f"{len(names or known) - different} passed, {different} failed")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
