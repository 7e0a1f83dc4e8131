"""Cut the power at random moments, and see that nothing reachable is lost. `python tests/cut.py --times 30`.

The store lies on an ext4 file system of its own over a loop device. A cut shuts it down at once, its journal
not written: what was not synced is gone, as on a disk without power, and every write from then on is an
input/output error, which the command under way must survive, too. Mounted again it is as after a new boot.
Then `fsck` names what is damaged, generations that were recorded are still there, and a build gives the same
digest. Needs root, and mkfs.ext4.
"""

import argparse
import fcntl
import json
import os
import random
import secrets
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import evolve, frozen
from commandline import CommandLine
from kill import VARIANTS, StoreBrokenError, Trial, insist, trial

_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN (linux/fs/ext4/ext4.h)."""
_NO_LOG_FLUSH = 2
_OWN = "ENVFORGE_TEST_OWN_MOUNTS"
_BOOT = """
import sys
from envforge.store import durability
durability._BOOT_ID = sys.argv[1]
sys.argv = sys.argv[2:]
from envforge.cli import main
sys.exit(main())
"""
"""The whole command, to which a file says which boot this is."""


@frozen
class Disk:
    """A file system that can lose its power."""

    image: Path
    place: Path

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.place)], check=True)

    def unmount(self) -> None:
        deadline = time.monotonic() + 30
        while subprocess.run(["umount", str(self.place)], capture_output=True, check=False).returncode:
            if time.monotonic() > deadline:
                raise StoreBrokenError("processes of a command outlived it: the disk is still in use")
            time.sleep(0.1)

    def cut(self) -> None:
        """Shut the file system down: what is not on the disk yet never gets there."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)


@contextmanager
def disk(top: Path, megabytes: int = 1500) -> Iterator[Disk]:
    """Yield a fresh ext4 on a loop device, mounted."""
    made = Disk(top / "image", top / "disk")
    made.place.mkdir()
    with made.image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", str(made.image)], check=True)
    made.mount()
    try:
        yield made
    finally:
        made.unmount()


def booted(line: CommandLine, top: Path) -> CommandLine:
    """Return the command line as after another boot of the machine."""
    path = top / "boot"
    path.write_text(f"{secrets.token_hex(16)}\n")
    return evolve(line, before=[sys.executable, "-c", _BOOT, str(path)])


def cut_commands(made: Trial, on: Disk, top: Path, times: int, seed: int) -> list[str]:
    """Cut the power that many times; return what was under way, and what was damaged then."""
    chance = random.Random(seed)
    log = []
    for number in range(times):
        words = made.draw(chance, anew=0.3)
        moment = chance.uniform(0.05, 1.2 * made.seconds.get(words[0], 1))
        said = _cut_one(made.line, on, words, moment)
        made.line = booted(made.line, top)
        damage = _damage(made)
        log.append(f"{number}: {' '.join(words)} cut after {moment:.2f} s, {damage} damaged")
        try:
            if "Traceback" in said:
                raise StoreBrokenError(said)
            variant = chance.randrange(len(VARIANTS))
            made.choose(variant)
            built = json.loads(made.line.succeed("build", "--json"))["environment"]
            if built != made.digests[variant]:
                raise StoreBrokenError(f"the digest is {built} after a cut")
            made.line.succeed("fsck", "--full", "--repair")
            insist(made, settled=False)
        except AssertionError as error:
            raise StoreBrokenError("\n".join([*log[-3:], str(error)])) from error
    return log


def _cut_one(line: CommandLine, on: Disk, words: list[str], after_s: float) -> str:
    """Start a command and cut the power; return what the command said to that."""
    process = subprocess.Popen(
        line.words(*words),
        cwd=line.directory,
        env=line.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(after_s)
    on.cut()
    try:
        _, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.wait()
        raise StoreBrokenError(f"{words} hangs where its disk is gone") from error
    on.unmount()
    on.mount()
    return said


def _damage(made: Trial) -> int:
    """Return how many places `fsck` names; what generations name must be there all the same."""
    if not (made.line.store / "format").exists():
        made.generations.clear()
        return 0
    result = made.line.run("fsck", "--full", "--json")
    try:
        return len(json.loads(result.stdout)["corrupt"])
    except (ValueError, KeyError) as error:
        raise StoreBrokenError(result.stdout + result.stderr) from error


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    if _OWN not in os.environ:  # a mount that other namespaces copy would keep the dead file system alive
        os.execvpe("unshare", ["unshare", "--mount", sys.executable, *sys.argv], {**os.environ, _OWN: "1"})
    with tempfile.TemporaryDirectory(prefix="envforge-cut-", dir="/var/tmp") as directory:
        top = Path(directory)
        with trial(top) as made, disk(top) as on:
            sys.stdout.write(f"seed {options.seed}\n")
            made.line = booted(evolve(made.line, store=on.place / "store"), top)
            for line in cut_commands(made, on, top, options.times, options.seed):
                sys.stdout.write(f"{line}\n")
    sys.stdout.write("no generation is lost, and the digests are the same\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
