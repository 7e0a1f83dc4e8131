"""Let one write after the other fail, and see that no command leaves anything half-done behind.

`python tests/failing.py --times 200`: each time a command's nth change of the file system (a write, a link,
a rename, a sync; in each of its processes) gives ENOSPC or EIO, by strace. The command must end with an error
of ours or cope; the store must be whole, and a build must give the same digest. Needs root and strace.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from kill import StoreBrokenError, Trial, finish, insist, insist_checked, trial

CHANGES = (
    "write,pwrite64,writev,mkdir,mkdirat,link,linkat,symlink,symlinkat,rename,renameat,renameat2,fsync,syncfs,"
    "fchmod,fchmodat,utimensat,ftruncate,copy_file_range"
)


def fail_writes(made: Trial, times: int, seed: int) -> list[str]:
    """Let that many commands fail; return what was said to it."""
    chance = random.Random(seed)
    log = []
    for number in range(times):
        words, error = made.draw(chance, anew=0.3), chance.choice(("ENOSPC", "EIO"))
        at = 3 + int(200 * chance.random() ** 3)
        code, said = _fail_one(made, words, f"error={error}:when={at}")
        log.append(f"{number}: {' '.join(words)} with {error} at {at}: {code} {said[-200:].strip()!r}")
        try:
            if (
                "Traceback" in said and "click/utils.py" not in said
            ):  # the message itself could not be written
                raise StoreBrokenError(said)
            insist(made, settled=False)
            if number % 5 == 4:
                insist_checked(made)
        except AssertionError as problem:
            raise StoreBrokenError("\n".join([*log[-3:], str(problem)])) from problem
    return log


def _fail_one(made: Trial, words: Sequence[str], inject: str) -> tuple[int, str]:
    traced = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        f"trace={CHANGES}",
        "-e",
        f"inject={CHANGES}:{inject}",
    ]
    result = subprocess.run(
        [*traced, *made.line.words(*words)],
        cwd=made.line.directory,
        env=made.line.variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=300,
    )
    return result.returncode, result.stderr


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    temporary = tempfile.TemporaryDirectory(prefix="envforge-failing-", dir="/var/tmp")
    with temporary as directory, trial(Path(directory)) as made:
        sys.stdout.write(f"seed {options.seed}\n")
        for line in fail_writes(made, options.times, options.seed):
            sys.stdout.write(f"{line}\n")
        finish(made)
    sys.stdout.write("the store is whole and the digests the same\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
