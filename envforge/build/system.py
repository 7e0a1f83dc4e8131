"""The database layer, which speaks of all packages: dpkg's database, apt's marks, the linker's cache."""

import os
from collections.abc import Mapping, Sequence
from typing import Final

from envforge.build import normalize, script
from envforge.build.layer import Made
from envforge.build.parents import match_below
from envforge.build.site import Site
from envforge.errors import BuildError
from envforge.recipe.plan import Package, automatic, epoch, order
from envforge.sandbox.chroot import run_in_tree
from envforge.sources.debian import database
from envforge.sources.debian.database import Installed
from envforge.store import layers, listing
from envforge.store.listing import Entry
from envforge.store.scan import scan

_NOT_KEPT: Final = ("/var/cache/ldconfig/aux-cache",)


def run(site: Site, directory: str, packages: Mapping[str, Package], below: Sequence[Made]) -> list[Entry]:
    """Make the layer's tree in `directory/layer/root` over `below`: configured layers, the farm last.

    Raises BuildError where ldconfig fails.
    """
    root, work = f"{directory}/layer/root", f"{directory}/work"
    os.makedirs(root, 0o755)
    os.mkdir(work, 0o755)
    auto = automatic(packages)
    installed = [_installed(site, packages[name], auto=name in auto) for name in order(packages)]
    changes = database.joined([database.changes_from_json(made.notes["database"]) for made in below[:-1]])
    database.write_database(root, installed, changes=changes, activated=())
    _match_directories(site, root, below)
    newest = epoch(packages.values())
    _run_ldconfig(directory, root, work, [made.layer.root for made in below], newest)
    normalize.remove_paths(root, _NOT_KEPT)
    normalize.settle_times(root, newest)
    return scan(root)


def _installed(site: Site, package: Package, *, auto: bool) -> Installed:
    tree = site.store.tree(site.held, package.locked.sha256)
    return Installed(package.facts, "installed", f"{tree}/control", auto=auto)


def _match_directories(site: Site, root: str, below: Sequence[Made]) -> None:
    texts = [layers.read_listing(site.store, site.held, made.layer.digest) for made in below]
    top = os.fsencode(root)
    for directory, _, _ in os.walk(top):
        inside = directory[len(top) :] or b"/"
        entry = next(filter(None, (listing.find(text, inside) for text in texts)), None)
        match_below(directory, entry, chown=site.held != "flat")


def _run_ldconfig(directory: str, upper: str, work: str, lowers: Sequence[str], newest: int) -> None:
    log = f"{directory}/log"
    with open(log, "wb") as output:
        code = run_in_tree(
            lowers=lowers, upper=upper, work=work, command=["ldconfig"],
            environment=script.environment(newest), output=output.fileno(),
        )  # fmt: skip
    if code:
        with open(log, encoding="utf-8", errors="replace") as file:
            raise BuildError(f"ldconfig failed (exit code {code}): {file.read().strip()}")
