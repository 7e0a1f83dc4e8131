"""`python -m tests.sweep`: random groups of packages, each built twice in unlike set-ups and beside apt.

A group is well when apt installs it and we build it, when no path of the two trees differs without a reason
(`tests/compare/allowed.py`), and when both builds have one digest. As root, with a mirror; up to a minute a
group, in a directory on a disk (--directory, some 20 GB). Ends with 1 where a group has a fault.
"""

import argparse
import glob
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Lock

from tests.sweep import archive, left, slow, trial
from tests.sweep.popular import batches
from tests.sweep.real import REAL
from tests.sweep.reference import Base
from tests.sweep.results import Results
from tests.sweep.setups import FIRST, UNLIKE, Setup, workplace
from tests.sweep.trial import Bench, Verdict

_INSIDE = "ENVFORGE_SWEEP_INSIDE"
_GIBIBYTE = 1 << 30
_STOPPED = 130
_GRACE_S = 10
_NARROWED_MAX_S = 300
"""Groups that took longer are not taken apart."""


class Sweep:
    """One run of the command."""

    def __init__(self, options: argparse.Namespace, stack: ExitStack) -> None:
        self.options = options
        self.results = Results(options.resume or f"{options.directory}/results")
        self.base = Base(options.suite, options.directory)
        self.base.make()
        store_max = int(options.store_max * _GIBIBYTE)
        self._places = {
            setup: stack.enter_context(workplace(setup, options.directory, store_max))
            for setup in (FIRST, *self._unlike())
        }
        self._lock = Lock()
        self._stopped = False

    def _unlike(self) -> tuple[Setup, ...]:
        return tuple(setup for setup in UNLIKE if self.options.user in (None, setup.user))

    def groups(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield name and packages of each group that has no result yet."""
        options = self.options
        if options.packages:
            yield from ((f"asked-{names}", tuple(names.split(","))) for names in options.packages)
            return
        for name, group in self._listed() if options.sets or options.popular else self._drawn():
            if not self.results.has(name):
                yield name, group

    def _listed(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        options = self.options
        if options.sets:
            yield from ((f"{options.suite}-{options.sets}-{name}", group) for name, group in REAL.items())
        if options.popular:
            for kind, group in batches(archive.names_of(archive.read(self.base.path))):
                yield f"{options.suite}-popular-{kind}", group

    def _drawn(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        options = self.options
        known = archive.read(self.base.path)
        drawn = archive.draw(known, options.seed, options.groups, options.size, options.section)
        say(f"{options.suite}, seed {options.seed}: {len(known)} packages are known")
        for section, reason in archive.LEFT_OUT.items():
            say(f"left out: section {section} ({reason})")
        if drawn.too_large:
            say(f"left out, over {archive.MAX_MEBIBYTES} MiB: {' '.join(drawn.too_large)}")
        for number, group in enumerate(drawn.groups):
            name = "-".join(map(str, [options.suite, *options.section, options.seed, options.size, number]))
            if not options.only or number in options.only:
                yield name, group

    def one(self, number: int, name: str, packages: tuple[str, ...]) -> Verdict:
        """Try a group, take it apart where it is not well, and say what came."""
        verdict = self._try(number, f"g{number}", packages)
        if self._taken_apart(verdict):
            for place, package in enumerate(packages):
                alone = self._try(number, f"g{number}-{place}", (package,))
                if alone.kinds != [trial.WELL]:
                    verdict.narrowed.append(f"{package}: {', '.join(alone.kinds)}")
                if alone.faulty and not verdict.faulty:
                    verdict.kinds += alone.kinds
                    verdict.details += alone.details
        known = left.reasons(self.options.suite, packages, verdict.kinds)
        if known:
            verdict.kinds = [trial.KNOWN]
            verdict.details += known
        with self._lock:
            if self._stopped:
                return verdict  # of programs that were ended
            if trial.MOVED not in verdict.kinds:
                self.results.keep(name, as_dict(verdict))  # else it is tried again, with another base
            show(name, verdict, as_json=self.options.json)
        return verdict

    def stop(self) -> None:
        """End the programs that run; what came of their groups is not kept."""
        self._stopped = True
        for kind in (signal.SIGTERM, signal.SIGKILL):  # unshare waits for its child whatever it is told
            for path in glob.glob("/proc/self/task/*/children"):
                with open(path, encoding="ascii") as file, suppress(ProcessLookupError):
                    for child in file.read().split():
                        os.kill(int(child), kind)
            time.sleep(_GRACE_S)

    def _taken_apart(self, verdict: Verdict) -> bool:
        """Say whether the single packages are to be tried: packages that exclude each other too."""
        cheap = len(verdict.packages) > 1 and verdict.seconds < _NARROWED_MAX_S
        return self.options.narrow and cheap and (verdict.faulty or trial.APT_FAILS in verdict.kinds)

    def slow(self) -> int:
        """Compare the sets whose scripts take long; 1 where apt is quicker."""
        place, options, well = self._places[FIRST], self.options, True
        for name in options.slow or slow.SLOW:
            compared = slow.compare(self.base, place, options.directory, name, options.timeout)
            say(str(compared))
            well &= compared.well
        return 0 if well else 1

    def _try(self, number: int, name: str, packages: tuple[str, ...]) -> Verdict:
        every = self._unlike()
        unlike = every if self.options.sets else (every[number % len(every)],)
        bench = Bench(
            self.base,
            self._places[FIRST],
            tuple(self._places[setup] for setup in unlike),
            f"{self.options.directory}/trial-{os.getpid()}-{name}",
            self.options.timeout,
        )
        return trial.run(bench, name, packages)


def main() -> int:
    """Run the groups and sum up; 1 where one has a fault."""
    options = _parse()
    if _INSIDE not in os.environ:
        os.environ[_INSIDE] = "1"
        words = ["unshare", "--mount", sys.executable, "-m", "tests.sweep", *sys.argv[1:]]
        os.execvp("unshare", words)
    signal.signal(signal.SIGTERM, _interrupt)
    os.makedirs(options.directory, exist_ok=True)
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        sweep = Sweep(options, stack)
        if options.slow is not None:
            return sweep.slow()
        groups = list(sweep.groups())
        with ThreadPoolExecutor(options.jobs) as pool:
            try:
                verdicts = list(pool.map(lambda item: sweep.one(item[0], *item[1]), enumerate(groups)))
            except KeyboardInterrupt:
                sweep.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        sum_up(verdicts, as_json=options.json)
        return 1 if any(verdict.faulty for verdict in verdicts) else 0
    return _STOPPED


def show(name: str, verdict: Verdict, *, as_json: bool) -> None:
    """Print one group's line, and what is wrong with it."""
    if as_json:
        say(json.dumps({"group": name, **as_dict(verdict)}))
        return
    kinds = ", ".join(verdict.kinds)
    say(f"{name}: {kinds}: {' '.join(verdict.packages)} ({verdict.paths} paths, {verdict.seconds:.0f} s)")
    if verdict.kinds != [trial.WELL]:
        for line in verdict.details[:20]:
            say(f"    {line}")
        if len(verdict.details) > 20:
            say(f"    … and {len(verdict.details) - 20} more lines")
        for line in verdict.narrowed:
            say(f"  alone: {line}")


def as_dict(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as JSON has it."""
    return {
        "packages": list(verdict.packages),
        "kinds": verdict.kinds,
        "paths": verdict.paths,
        "seconds": round(verdict.seconds, 1),
        "narrowed": verdict.narrowed,
        "details": verdict.details,
    }


def sum_up(verdicts: Sequence[Verdict], *, as_json: bool) -> None:
    """Print how many groups came out how."""
    kinds = sorted({kind for verdict in verdicts for kind in verdict.kinds})
    counts = {kind: sum(kind in verdict.kinds for verdict in verdicts) for kind in kinds}
    if as_json:
        say(json.dumps({"groups": len(verdicts), "kinds": counts}))
    else:
        say(f"{len(verdicts)} groups: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__)
    parser.add_argument("--suite", default="bookworm", choices=("bookworm", "trixie"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--size", type=int, default=4, help="packages in a group")
    parser.add_argument("--section", action="append", default=[], help="of these only: admin, mail, …")
    parser.add_argument("--only", type=int, action="append", help="numbers of groups")
    parser.add_argument("--packages", action="append", metavar="A,B,C", help="this group instead")
    parser.add_argument("--sets", choices=("real",), help="sets as people write them, in every set-up")
    parser.add_argument("--popular", action="store_true", help="the packages that Dockerfiles ask for most")
    parser.add_argument("--slow", nargs="*", choices=tuple(slow.SLOW), help="time sets beside apt, or all")
    users = [setup.user for setup in UNLIKE]
    parser.add_argument("--user", choices=users, help="whose builds are compared: by turns each, or one")
    parser.add_argument("--jobs", type=int, default=2, help="groups at once")
    parser.add_argument("--resume", metavar="DIR", help="results lie there; groups that have one are skipped")
    parser.add_argument("--directory", default="/var/tmp/envforge-sweep", help="where to work: on a disk")
    parser.add_argument("--store-max", type=float, default=6, metavar="GIB", help="a larger store is removed")
    parser.add_argument(
        "--no-narrow", dest="narrow", action="store_false", help="leave groups with faults whole"
    )
    parser.add_argument("--timeout", type=float, default=1800, metavar="S", help="for each build")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each group")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
