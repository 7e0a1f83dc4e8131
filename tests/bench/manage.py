"""`python -m tests.bench.manage`: how long it takes to look after a large store; a Markdown table.

Makes a store with `tests.bigstore` first: 1,000 environments, 10,000 layers, 1,000,000 files unless told
otherwise, some 10 GB. Absolute times are of the machine that it runs on; bare Python stands beside them.

Deleting is what the disk makes of it: rm(1) stands beside it. As root it is measured once more, with half of
such a store, where a disk's own time is none: on ext4 over a loop device whose file lies on a tmpfs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Self

from attrs import frozen

from tests.bench import terminal
from tests.bench.machine import facts
from tests.bench.trial import Command, timed
from tests.bench.warm_disk import warm_disk
from tests.bigstore.make import Made, make
from tests.bigstore.sizes import Sizes

_ENVFORGE = f"{sysconfig.get_path('scripts')}/envforge"
_FILES_A_SECOND = 60_000
_OF_RM = 1.1
"""Emptying the trash may take so many times as long as rm(1) on a disk that is the slower one of the two."""
_STARTS = 5
"""Of the TUI: one takes between 0.8 and 1.05 s on the same machine."""
_OF_SHA256SUM = 2.0
"""A full check may take so many times as long as sha256sum on as many processors."""


@frozen
class Row:
    """One thing measured."""

    what: str
    seconds: float
    allowed: float | None
    """Seconds; None where there is no promise."""
    besides: str = ""


@frozen
class Place:
    """A large store and one of its projects."""

    directory: str
    project: str
    files: int

    @classmethod
    def of(cls, directory: str, made: Made) -> Self:
        """Return the store that was made in a directory."""
        os.makedirs(f"{directory}/home")
        return cls(directory, f"{directory}/projects/p001", made.files)

    def command(self, *words: str) -> Command:
        """Return `envforge WORDS` in the project."""
        home = f"{self.directory}/home"
        environment = {"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "NO_COLOR": "1"}
        return Command([_ENVFORGE, "--store", f"{self.directory}/store", *words], environment, self.project)

    def median(self, rounds: int, *words: str) -> float:
        """Return the median of some runs of a command, in seconds."""
        return statistics.median(timed(self.command(*words)) for _ in range(rounds))

    def json(self, *words: str) -> object:
        """Return what a command prints as JSON."""
        command = self.command(*words, "--json")
        done = subprocess.run(
            command.words, env=command.environment, cwd=command.directory, capture_output=True, check=True
        )
        return json.loads(done.stdout)


def main() -> int:
    """Measure and print."""
    options = _parse()
    with tempfile.TemporaryDirectory(prefix="envforge-manage-", dir=options.directory) as directory:
        os.makedirs(f"{directory}/home")
        os.chdir(directory)
        sys.stderr.write("making the store\n")
        sizes = Sizes(options.environments, options.layers, options.files)
        made = make(f"{directory}/big", sizes)
        rows = []
        for one in _rows(Place.of(f"{directory}/big", made), sizes, options.rounds):
            sys.stderr.write(f"{_line(one)}\n")
            rows.append(_line(one))
        lines = [
            "# Looking after a large store\n",
            *(f"- {name}: {value}" for name, value in facts(directory).items()),
            f"- store: {made.environments} environments, {made.layers} layers, {made.files} files\n",
            "| what | measured | allowed | |",
            "|---|--:|--:|---|",
            *rows,
        ]
        os.chdir("/")
    report = "\n".join(lines) + "\n"
    sys.stdout.write(report)
    if options.output:
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(report)
    return 0


def _rows(place: Place, sizes: Sizes, rounds: int) -> Iterator[Row]:
    """Measure one thing after the other, those that change the store last."""
    floor = statistics.median(timed(Command([sys.executable, "-c", "pass"])) for _ in range(rounds * 3))
    yield Row("bare `python3 -c pass`", floor, None)

    def row(what: str, allowed: float, *words: str) -> Row:
        return Row(what, place.median(rounds, *words), allowed)

    package = _some_package(place)
    yield row("`ls`", 0.3, "ls")
    yield row("`show`", floor + 0.15, "show")
    yield row("`history`", floor + 0.15, "history")
    yield row("`why`", floor + 0.15, "why", package)
    yield row("`owns`", 0.3, "owns", f"/usr/share/doc/{package}/copyright")
    yield row("`diff`, packages", 0.15, "diff", "1", "2", "--level", "package")
    yield row("`diff`, files", 0.5, "diff", "1", "2", "--level", "file")
    yield Row("`du`, nothing measured yet", timed(place.command("du")), None)
    yield row("`du`", 3.0, "du")
    yield row("`gc --dry-run`", 3.0, "gc", "--dry-run")
    yield from _terminal(place)
    yield from _checks(place)
    yield row("`rollback`", 0.5, "rollback")
    yield from _collecting(place)
    if os.geteuid() == 0:
        yield from _on_a_warm_disk(sizes)


def _terminal(place: Place) -> Iterator[Row]:
    seen = [terminal.measure(place.command("tui")) for _ in range(_STARTS)]
    yield Row("`tui`, first screen", statistics.median(one.first_screen_s for one in seen), 1.0)
    keys = statistics.median(one.key_s for one in seen)
    yield Row("`tui`, from a key to the screen, 95th percentile", keys, 0.05)


def _checks(place: Place) -> Iterator[Row]:
    yield _quick_check(place, "`fsck`")
    plain = _sha256sum(f"{place.directory}/store")
    yield Row("`sha256sum` of the same files, each once, on all processors", plain, None)
    yield Row("`fsck --full`", place.median(1, "fsck", "--full"), plain * _OF_SHA256SUM)


def _quick_check(place: Place, what: str) -> Row:
    place.median(1, "fsck")
    seconds = place.median(1, "fsck")
    return Row(what, seconds, place.files / _FILES_A_SECOND, f"{place.files / seconds:,.0f} files a second")


def _sha256sum(store: str) -> float:
    """Return the seconds that sha256sum takes for each file of trees and layers once."""
    names = (
        f"find {store}/trees {store}/layers {store}/blobs -type f -printf '%i %p\\0'"
        " | sort -zu -k1,1n | cut -zd' ' -f2-"
    )
    words = ["sh", "-c", f"{names} | xargs -0 -n 500 -P {os.cpu_count()} sha256sum >/dev/null"]
    timed(Command(words))
    return timed(Command(words))


def _collecting(place: Place) -> Iterator[Row]:
    words = ("gc", "--keep", "1", "--gone")
    yield Row(f"`{' '.join(words)}`, into the trash", timed(place.command(*words)), None)
    gone = _in_the_trash(place)
    by_rm = _removed_by_rm(place)
    yield Row("`rm -rf` of a copy of the trash", by_rm, None, _speed(gone, by_rm))
    yield _emptying(place, "emptying the trash", gone, by_rm * _OF_RM)


def _emptying(place: Place, what: str, gone: int, on_this_disk: float = 0) -> Row:
    """Measure the deleting: what a collection takes beyond one that finds an empty trash."""
    whole = timed(place.command("gc", "--now"))
    seconds = whole - place.median(1, "gc", "--now")
    return Row(what, seconds, max(gone / _FILES_A_SECOND, on_this_disk), _speed(gone, seconds))


def _on_a_warm_disk(sizes: Sizes) -> Iterator[Row]:
    with warm_disk() as disk:
        half = Sizes(sizes.environments // 2, sizes.layers // 2, sizes.files // 2)
        place = Place.of(f"{disk}/big", make(f"{disk}/big", half))
        yield _quick_check(place, "`fsck`, half as many files, no disk's own time")
        timed(place.command("gc", "--keep", "1", "--gone"))
        gone = _in_the_trash(place)
        by_rm = _removed_by_rm(place)
        yield Row("`rm -rf` of a copy of the trash, likewise", by_rm, None, _speed(gone, by_rm))
        yield _emptying(place, "emptying the trash, likewise", gone)


def _speed(paths: int, seconds: float) -> str:
    return f"{paths:,} paths, {paths / seconds:,.0f} a second"


def _removed_by_rm(place: Place) -> float:
    """Return how long rm(1) takes for as much: deleting is what the disk makes of it."""
    copy = f"{place.directory}/copy"
    subprocess.run(["cp", "-a", f"{place.directory}/store/trash", copy], check=True)
    os.sync()
    return timed(Command(["rm", "-rf", copy]))


def _in_the_trash(place: Place) -> int:
    """Return how many files and directories lie there."""
    return sum(len(names) + len(files) for _, names, files in os.walk(f"{place.directory}/store/trash"))


def _some_package(place: Place) -> str:
    packages = place.json("show")["packages"]  # type: ignore[index, call-overload]
    return str(next(one["name"] for one in reversed(packages) if not one["asked"]))


def _line(row: Row) -> str:
    shown: Callable[[float], str] = lambda seconds: (  # noqa: E731
        f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
    )
    if row.allowed is None:
        return f"| {row.what} | {shown(row.seconds)} | | {row.besides} |"
    verdict = "held" if row.seconds <= row.allowed else "**missed**"
    return f"| {row.what} | {shown(row.seconds)} | {shown(row.allowed)} | {verdict} {row.besides} |"


def _parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    usual = Sizes()
    parser = argparse.ArgumentParser(prog="python -m tests.bench.manage", description=__doc__)
    parser.add_argument("--environments", type=int, default=usual.environments)
    parser.add_argument("--layers", type=int, default=usual.layers)
    parser.add_argument("--files", type=int, default=usual.files)
    parser.add_argument("--rounds", type=int, default=5, help="times each command is repeated (default: 5)")
    parser.add_argument("--directory", default="/var/tmp", help="where to work: a disk, not a tmpfs")
    parser.add_argument("--output", help="write the report to this file too")
    options = parser.parse_args(arguments)
    options.output = options.output and os.path.abspath(options.output)
    return options


if __name__ == "__main__":
    raise SystemExit(main())
