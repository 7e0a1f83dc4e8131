"""`python -m tests.bench`: envforge beside what else is installed, in one run, as a Markdown table.

Needs some 15 GB under --directory and, for docker and podman, root. Peers that are missing are named.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence

from tests.bench.images import Buildah, Docker, Podman
from tests.bench.machine import facts
from tests.bench.peer import Bwrap, Mmdebstrap, Nix, Peer, Python
from tests.bench.place import Place, make_base
from tests.bench.product import Envforge
from tests.bench.table import render
from tests.bench.trial import FailedError, Measure, Results, Trial, run_rounds

PEERS: tuple[type[Peer], ...] = (Envforge, Python, Bwrap, Nix, Podman, Docker, Buildah, Mmdebstrap)
_ONCE = (Measure.DISK, Measure.MEMORY)
_STAGES = (
    Measure.NOTHING,
    Measure.SAME,
    Measure.INERT,
    Measure.ACTIVE,
    Measure.LOCK,
    Measure.TWO,
    Measure.CACHED,
)


def main() -> int:
    """Measure and print."""
    options = _parse()
    peers = [kind() for kind in PEERS if kind.name.split()[0] not in options.without]
    if options.beside:
        peers.append(Envforge(options.beside))
    absent = {peer.name: reason for peer in peers if (reason := peer.missing())}
    peers = [peer for peer in peers if peer.name not in absent]
    versions = {peer.name: peer.version() for peer in peers}
    results = Results()
    with tempfile.TemporaryDirectory(prefix="envforge-bench-", dir=options.directory) as directory:
        os.chmod(directory, 0o755)
        os.chdir(directory)
        about = facts(directory)
        _measure(Place(directory), peers, options, results, absent)
        os.chdir("/")
    report = render(results, about, versions, absent)
    sys.stdout.write(report)
    if options.output:
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(report)
    return 1 if results.failures else 0


def _measure(
    place: Place, peers: Sequence[Peer], options: argparse.Namespace, results: Results, absent: dict[str, str]
) -> None:
    """Start the peers, run their trials, and end them whatever happens."""
    _say("making the base image")
    make_base(place)
    started: list[Peer] = []
    trials: list[Trial] = []
    try:
        for peer in peers:
            _say(f"starting {peer.name}")
            try:
                trials += peer.start(place)
                started.append(peer)
            except FailedError as error:
                absent[peer.name] = str(error)
        for measure in options.only:
            rounds = options.entries if measure is Measure.ENTRY else options.rounds
            chosen = [one for one in trials if one.measure is measure]
            run_rounds(chosen, 1 if measure in _ONCE else rounds, results, _say)
    finally:
        for peer in started:
            peer.stop()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = [measure.name.lower() for measure in Measure]
    parser.add_argument(
        "--only", action="append", choices=names, help="a measure; may be given several times"
    )
    parser.add_argument("--without", action="append", default=[], metavar="PEER", help="leave a peer out")
    parser.add_argument(
        "--beside", metavar="PROGRAM", help="an earlier version of envforge to measure as well"
    )
    parser.add_argument("--rounds", type=int, default=3, help="times each build is repeated (default: 3)")
    parser.add_argument("--entries", type=int, default=30, help="times each entry is repeated (default: 30)")
    parser.add_argument("--directory", default="/var/tmp", help="where to work: a disk, not a tmpfs")
    parser.add_argument("--output", help="write the report to this file too")
    options = parser.parse_args()
    order = (*_STAGES, Measure.ENTRY, *_ONCE)
    options.only = [measure for measure in order if not options.only or measure.name.lower() in options.only]
    options.output = options.output and os.path.abspath(options.output)
    return options


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    raise SystemExit(main())
