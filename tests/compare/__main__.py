"""`python -m tests.compare`: is a tree of envforge's what mmdebstrap would have made?

Owners by name, types, modes, contents, link targets, xattrs, and the times of archives' files, for each set
of packages on each suite. What may differ is in `allowed.py`, with the reason. Needs root, a mirror and about
a minute a set. With --trees OURS THEIRS it compares two directories instead.
"""

import argparse
import os
import sys
import tempfile

from tests.compare.build import BuildFailedError, build_ours, build_theirs, rename_host
from tests.compare.differences import compare, split
from tests.compare.sets import SETS, SUITES
from tests.compare.tree import read_tree

_INSIDE = "ENVFORGE_COMPARE_INSIDE"
_SHOWN = 40


def main() -> int:
    """Compare and print; 0 if nothing is unexplained."""
    options = _parse()
    if options.trees:
        return 0 if report("the two trees", *options.trees, verbose=options.verbose) else 1
    if _INSIDE not in os.environ:
        os.environ[_INSIDE] = "1"
        os.execvp(
            "unshare", ["unshare", "--mount", "--uts", sys.executable, "-m", "tests.compare", *sys.argv[1:]]
        )
    well = True
    with tempfile.TemporaryDirectory(prefix="envforge-compare-", dir=options.directory) as directory:
        rename_host(directory)
        for suite in options.suite or SUITES:
            for name in options.set or SETS:
                well &= _compare_set(suite, name, directory, verbose=options.verbose)
        _unmount(f"{directory}/merged")
    return 0 if well else 1


def report(title: str, ours: str, theirs: str, *, verbose: bool) -> bool:
    """Print how two trees differ and return whether all of it is explained."""
    one, other = read_tree(ours), read_tree(theirs)
    unexplained, explained = split(compare(one, other))
    allowed = sum(map(len, explained.values()))
    _say(f"{title}: {len(other)} paths, {allowed} allowed differences, {len(unexplained)} unexplained")
    for difference in unexplained[: None if verbose else _SHOWN]:
        _say(f"  {difference}")
    if len(unexplained) > _SHOWN and not verbose:
        _say(f"  … and {len(unexplained) - _SHOWN} more (--verbose shows all)")
    if verbose:
        for entry, differences in explained.items():
            _say(f"  allowed ({entry.reason}): {len(differences)}, {differences[0].path}")
    return not unexplained


def _compare_set(suite: str, name: str, directory: str, *, verbose: bool) -> bool:
    title = f"{suite} {name}"
    try:
        theirs = f"{directory}/theirs"
        build_theirs(suite, SETS[name], theirs)
        return report(title, build_ours(suite, SETS[name], directory), theirs, verbose=verbose)
    except BuildFailedError as error:
        _say(f"{title}: {error}")
        return False


def _unmount(target: str) -> None:
    if os.path.ismount(target):
        os.spawnlp(os.P_WAIT, "umount", "umount", target)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.compare", description=__doc__)
    parser.add_argument("--suite", action="append", choices=SUITES)
    parser.add_argument("--set", action="append", choices=tuple(SETS))
    parser.add_argument("--trees", nargs=2, metavar=("OURS", "THEIRS"))
    parser.add_argument("--directory", default="/var/tmp", help="where to work: a disk, not a tmpfs")
    parser.add_argument("--verbose", action="store_true", help="show every difference, the allowed ones too")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
