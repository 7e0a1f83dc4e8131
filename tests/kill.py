"""Kill commands at random moments, and see that the store never notices. `python tests/kill.py --times 500`.

Every round starts a command that changes the project or its store in a process group of its own, kills all
of it with SIGKILL after a random time, and looks at what is left: all that is published is whole, and no
generation is gone. In the end builds give the digests of undisturbed ones, and `fsck` finds nothing.
With `--points` a command is killed at each of its renames, links, unlinks and syncs in turn instead.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import store_check
import web
from attrs import define, field
from commandline import CommandLine
from small_archive import Archive
from small_system import add_system, new_project, script

from envforge.cli.root import COMMANDS

VARIANTS = (("one",), ("one", "two"), ("two", "three"))
"""What the spec asks for in turn."""
_KNOWN = {name for group in COMMANDS.values() for name in group}
KILLED = [
    words
    for words in (
        ["build"],
        ["build"],
        ["build", "--rebuild"],
        ["lock", "--upgrade"],
        ["fsck", "--full", "--repair"],
        ["gc"],
        ["gc", "--keep", "50"],
        ["rollback", "--yes"],
    )
    if words[0] in _KNOWN
]
POINTS = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,fsync,syncfs,ftruncate"
"""System calls that change what others see."""


class StoreBrokenError(AssertionError):
    """A kill left something published that is not whole."""


@define
class Trial:
    """A project on the small archive, what its builds give undisturbed, and what was seen of it."""

    line: CommandLine
    digests: dict[int, str] = field(factory=dict)
    """Of the environment of each variant."""
    seconds: dict[str, float] = field(factory=dict)
    """How long each command takes undisturbed."""
    generations: set[tuple[int, str]] = field(factory=set)
    """Number and environment of every generation that was ever seen."""

    def choose(self, variant: int) -> None:
        """Have the spec ask for a variant."""
        names = ", ".join(f'"{name}"' for name in VARIANTS[variant])
        text = f'name = "small"\n\n[debian]\nsuite = "bookworm"\npackages = [{names}]\npockets = []\n'
        (self.line.directory / "envforge.toml").write_text(text)

    def start_over(self) -> None:
        """Forget the whole store, if there is one."""
        if (self.line.store / "format").exists():
            self.line.succeed("store", "destroy", "--yes")
        self.generations.clear()

    def draw(self, chance: random.Random, *, anew: float) -> list[str]:
        """Have the spec ask for any variant; return a command to disturb.

        With a probability of `anew` the store is thrown away before.
        """
        if chance.random() < anew:
            self.start_over()
        self.choose(chance.randrange(len(VARIANTS)))
        return chance.choice(KILLED)

    def build_again(self, variant: int) -> str:
        """Build and return the environment's digest. Raises StoreBrokenError if the store is not whole."""
        self.choose(variant)
        said = self.line.succeed("build", "--json")
        insist(self, settled=False)
        return str(json.loads(said)["environment"])


@contextmanager
def trial(top: Path) -> Iterator[Trial]:
    """Yield a small project with an archive of its own, after all its variants were built undisturbed."""
    archive = Archive(top / "archive")
    add_system(archive)
    for name in ("one", "two", "three"):
        files = [(f"./usr/share/{name}/f{at}", f"{name} {at}\n".encode()) for at in range(40)]
        archive.add(
            name, data=_members(name, files), members={"postinst": script(f"echo {name} >>/etc/of-scripts")}
        )
    archive.publish()
    with web.serving(archive.path) as server:
        made = Trial(new_project(top, server.url, []))
        for variant in range(len(VARIANTS)):
            start = time.monotonic()
            made.digests[variant] = made.build_again(variant)
            made.seconds.setdefault("build", time.monotonic() - start)
        for words in KILLED[2:]:
            start = time.monotonic()
            made.line.run(*words)
            made.seconds[words[0]] = time.monotonic() - start
        made.line.succeed("store", "destroy", "--yes")
        made.generations.clear()
        yield made
        made.line.run("store", "destroy", "--yes")


def _members(name: str, files: Sequence[tuple[str, bytes]]) -> list[object]:
    import debs

    return [debs.member(f"./usr/share/{name}/"), *(debs.member(path, data) for path, data in files)]


def kill_commands(made: Trial, times: int, seed: int) -> list[str]:
    """Kill that many commands, each after a random time; return what was killed, and when."""
    chance = random.Random(seed)
    log = []
    for number in range(times):
        words = made.draw(chance, anew=0.15)
        moment = chance.uniform(0.02, 1.1 * made.seconds.get(words[0], 1))
        was_killed = _kill_one(made.line, words, moment)
        log.append(f"{number}: {' '.join(words)} {'killed' if was_killed else 'ended'} after {moment:.2f} s")
        try:
            insist(made, settled=False)
            if number % 5 == 4:
                insist_checked(made)
        except AssertionError as error:
            raise StoreBrokenError("\n".join([*log[-5:], str(error)])) from error
    return log


def finish(made: Trial) -> None:
    """Build every variant, and insist on the digests and on a store in which nothing is wrong."""
    for variant, expected in made.digests.items():
        if made.build_again(variant) != expected:
            raise StoreBrokenError("the digest is another one after the kills")
    insist_checked(made)
    made.line.succeed("fsck", "--repair")  # a build with nothing to do leaves what others left
    insist(made, settled=True)


def kill_at_points(made: Trial, words: Sequence[str], most: int) -> int:
    """Kill a command at its first, second, … change of the file system; return at how many it was killed."""
    for number in range(1, most + 1):
        made.choose(number % len(VARIANTS))
        inject = f"inject={POINTS}:signal=SIGKILL:when={number}"
        traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={POINTS}", "-e", inject]
        result = subprocess.run(
            [*traced, *made.line.words(*words)],
            cwd=made.line.directory,
            env=made.line.variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        try:
            insist(made, settled=False)
            insist_checked(made)
        except AssertionError as error:
            raise StoreBrokenError(f"{' '.join(words)} killed at point {number}: {error}") from error
        if result.returncode == 0:
            return number - 1
    return most


def _kill_one(line: CommandLine, words: Sequence[str], after_s: float) -> bool:
    """Start a command and kill it; return whether it was still running."""
    process = subprocess.Popen(
        line.words(*words),
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
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise StoreBrokenError(f"processes of the group {group} outlived SIGKILL")


def insist(made: Trial, *, settled: bool) -> None:
    """Check what is published, and after a finished command also that nothing half-made is left."""
    problems = store_check.problems(str(made.line.store))
    if not settled:
        problems = [text for text in problems if not text.endswith("was left behind")]
    now = _generations(made.line.store)
    problems += [f"generation {number} is gone" for number, _ in sorted(made.generations - now)]
    if problems:
        raise StoreBrokenError("\n".join(problems[:20]))
    made.generations |= now


def _generations(store: Path) -> set[tuple[int, str]]:
    found = set()
    for path in store.glob("roots/*.json"):
        for one in json.loads(path.read_text())["generations"]:
            found.add((one["number"], one["environment"]))
    return found


def insist_checked(made: Trial) -> None:
    """Insist that `fsck --full` finds no damage."""
    if not (made.line.store / "format").exists():
        return
    result = made.line.run("fsck", "--full", "--json")
    if result.returncode:
        raise StoreBrokenError(result.stdout + result.stderr)


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--points", type=int, default=0, help="kill at up to so many points of each command")
    options = parser.parse_args()
    temporary = tempfile.TemporaryDirectory(prefix="envforge-kill-", dir="/var/tmp")
    with temporary as directory, trial(Path(directory)) as made:
        if options.points and shutil.which("strace"):
            for words in [list(one) for one in dict.fromkeys(map(tuple, KILLED))]:
                count = kill_at_points(made, words, options.points)
                sys.stdout.write(f"{' '.join(words)}: killed at {count} points\n")
        else:
            sys.stdout.write(f"seed {options.seed}, {made.seconds}\n")
            kill_commands(made, options.times, options.seed)
        finish(made)
    sys.stdout.write("the store is whole and the digests the same\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
