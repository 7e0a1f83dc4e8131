"""One group: built twice in unlike set-ups, installed by apt, all three compared."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from attrs import Factory, define, frozen

from tests.compare.differences import compare, split
from tests.compare.tree import read_tree
from tests.sweep.reference import AptFailedError, Base, Installed
from tests.sweep.setups import BuildFailedError, Built, Workplace

WELL, APT_FAILS, UNINSTALLABLE = "well", "apt fails too", "only apt fails"
KNOWN, MOVED = "known", "the archive has moved meanwhile"
NOT_BUILT, PATHS, DIGESTS = "not built", "unexplained paths", "unequal digests"
FAULTS = (NOT_BUILT, PATHS, DIGESTS)


@define
class Verdict:
    """What came of one group."""

    packages: tuple[str, ...]
    kinds: list[str] = Factory(list)
    """One of those above, or several faults."""
    details: list[str] = Factory(list)
    seconds: float = 0.0
    paths: int = 0
    narrowed: list[str] = Factory(list)
    """Single packages that have the fault too."""

    @property
    def faulty(self) -> bool:
        """Whether it is one of envforge's."""
        return any(kind in FAULTS for kind in self.kinds)


@frozen
class Bench:
    """Where groups are tried."""

    base: Base
    first: Workplace
    unlike: tuple[Workplace, ...]
    directory: str
    """Of this trial's own."""
    timeout_s: float


def run(bench: Bench, name: str, packages: tuple[str, ...]) -> Verdict:
    """Try one group."""
    started = time.monotonic()
    verdict = Verdict(packages)
    shutil.rmtree(bench.directory, ignore_errors=True)
    os.makedirs(bench.directory)
    _try(bench, name, verdict)
    shutil.rmtree(bench.directory, ignore_errors=True)
    verdict.kinds = verdict.kinds or [WELL]
    verdict.seconds = time.monotonic() - started
    return verdict


def _try(bench: Bench, name: str, verdict: Verdict) -> None:
    spec = _spec(bench.base.suite, verdict.packages)
    ours, failure, lock = None, "", ""
    with bench.first.store() as store:
        try:
            ours, lock = bench.first.build(store, name, spec, "", bench.timeout_s)
        except BuildFailedError as error:
            failure = str(error)
        theirs = Installed(bench.base, f"{bench.directory}/theirs")
        try:
            _judge_trees(bench, theirs, ours, failure, verdict)
        finally:
            theirs.close()
        if ours is not None:
            for place in bench.unlike:
                _judge_digest(bench, place, (name, spec, lock), ours, verdict)


def _judge_trees(bench: Bench, theirs: Installed, ours: Built | None, failure: str, verdict: Verdict) -> None:
    try:
        theirs.fetch(verdict.packages, bench.timeout_s)
        theirs.install(verdict.packages, bench.timeout_s)
    except AptFailedError as error:
        verdict.kinds.append(APT_FAILS if ours is None else UNINSTALLABLE)
        verdict.details += [f"apt: {line}" for line in str(error).splitlines()[-12:]]
        return
    if ours is None:
        verdict.kinds.append(NOT_BUILT)
        verdict.details += failure.splitlines()
        return
    with mounted(ours, f"{bench.directory}/ours") as tree:
        if versions(tree) != versions(theirs.path):
            verdict.kinds.append(MOVED)
            verdict.details += sorted(map(" ".join, versions(tree) ^ versions(theirs.path)))
            return
        other = read_tree(theirs.path)
        unexplained, _ = split(compare(read_tree(tree), other))
    verdict.paths = len(other)
    if unexplained:
        verdict.kinds.append(PATHS)
        verdict.details += [str(difference) for difference in unexplained]


def _judge_digest(
    bench: Bench, place: Workplace, project: tuple[str, str, str], ours: Built, verdict: Verdict
) -> None:
    said = f"as {place.setup.user}"
    with place.store() as store:
        try:
            other, _ = place.build(store, *project, bench.timeout_s)
        except BuildFailedError as error:
            verdict.kinds.append(DIGESTS)
            verdict.details += [f"{said}: not built", *str(error).splitlines()]
            return
        if other.environment != ours.environment:
            verdict.kinds.append(DIGESTS)
            verdict.details += [f"{said}: {line}" for line in differing(ours, other)]


def versions(tree: str) -> set[tuple[str, str]]:
    """Return name and version of all that is installed in a tree."""
    with open(f"{tree}/var/lib/dpkg/status", encoding="utf-8") as file:
        text = file.read()
    return set(re.findall(r"^Package: (.*)$(?s:.*?)^Version: (.*)$", text, re.MULTILINE))


def differing(one: Built, other: Built) -> Iterator[str]:
    """Yield the lines in which the listings of two builds differ."""
    for first, second in zip(one.layers, other.layers, strict=False):
        if first != second:
            left, right = _listing(one, first), _listing(other, second)
            yield from (f"- {line}" for line in sorted(left - right))
            yield from (f"+ {line}" for line in sorted(right - left))
    if len(one.layers) != len(other.layers):
        yield f"{len(one.layers)} layers, and {len(other.layers)}"


@contextmanager
def mounted(built: Built, target: str) -> Iterator[str]:
    """Give the merged view of a build's layers, read-only."""
    os.makedirs(target)
    roots = [f"{built.layer(digest)}/root" for digest in built.layers]
    links = []
    for number, root in enumerate(roots):
        links.append(f"{target}.{number}")
        os.symlink(root, links[-1])  # a mount's options have to fit into one page
    subprocess.run(
        ["mount", "-t", "overlay", "-o", f"ro,userxattr,lowerdir={':'.join(links)}", "overlay", target],
        check=True,
    )
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=False)
        for path in links:
            with suppress(FileNotFoundError):
                os.unlink(path)


def _listing(built: Built, digest: str) -> set[str]:
    with open(f"{built.layer(digest)}/listing", encoding="utf-8", errors="surrogateescape") as file:
        return set(file.read().splitlines())


def _spec(suite: str, packages: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in sorted(packages))
    return f'name = "sweep"\n\n[debian]\nsuite = "{suite}"\npackages = [{names}]\n'
