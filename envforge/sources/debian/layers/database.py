"""Makes the database layer, which depends on all packages: dpkg's database, apt's marks, ld.so.cache."""

import os
from collections.abc import Mapping, Sequence
from typing import Final, cast

from envforge.build.layer import Made
from envforge.build.parents import match_below
from envforge.build.site import Site
from envforge.errors import BuildError
from envforge.kernel.tree import Tree
from envforge.sandbox.confined.in_tree import run_in_tree
from envforge.sources.debian.configure import script, unpacking
from envforge.sources.debian.configure.cleaning import normalize
from envforge.sources.debian.dpkg import database
from envforge.sources.debian.dpkg.database import Installed
from envforge.sources.debian.layers import whole
from envforge.sources.debian.quirks import changing
from envforge.sources.debian.recipes.plan import Package, automatic, epoch, order
from envforge.store import layers, listing
from envforge.store.listing import Entry
from envforge.store.merge import Shown
from envforge.store.scan import scan

_FAULTS_SHOWN: Final = 10
_NOT_KEPT: Final = ("/var/cache/ldconfig/aux-cache",)


def run(site: Site, directory: str, packages: Mapping[str, Package], below: Sequence[Made]) -> list[Entry]:
    """Make the layer's tree in `directory/layer/root` over `below`: configured layers, then farms.

    Raises BuildError if ldconfig fails, or if a package's file is not as it was shipped.
    """
    root, work = f"{directory}/layer/root", f"{directory}/work"
    os.makedirs(root, 0o755)
    os.mkdir(work, 0o755)
    auto = automatic(packages)
    installed = [_installed(site, packages[name], auto=name in auto) for name in order(packages)]
    changes = database.joined(
        [database.changes_from_json(made.notes["database"]) for made in _configured(below)]
    )
    newest = epoch(packages.values())
    database.write_database(root, installed, changes=changes, newest=newest)
    _complete(site, root, packages, below, changes.files.get("diversions", ""))
    _match_directories(site, root, below)
    _run_ldconfig(directory, root, work, [made.layer.root for made in below], newest)
    normalize.remove_paths(root, _NOT_KEPT)
    normalize.settle_times(root, newest)
    return scan(root)


def _configured(below: Sequence[Made]) -> list[Made]:
    return [made for made in below if made.recipe.kind == "configure"]


def _installed(site: Site, package: Package, *, auto: bool) -> Installed:
    tree = site.store.tree(site.held, package.locked.sha256)
    return Installed(package.facts, "installed", f"{tree}/control", auto=auto)


def _complete(
    site: Site, root: str, packages: Mapping[str, Package], below: Sequence[Made], diverted: str
) -> None:
    """Put links and whiteouts into the layer at `root` for packages that no configured layer was made over.

    Raises BuildError if a file of a package that one was made over is not as it was shipped.
    """
    seen = {
        sha256
        for made in _configured(below)
        for sha256 in cast("list[str]", dict(made.recipe.inputs)["packages"])
    }
    shipped = [
        _shipped(site, name, package, known=package.locked.sha256 in seen)
        for name, package in packages.items()
    ]
    texts = [layers.read_listing(site.store, site.held, made.layer.digest) for made in below]
    repair, faults = whole.check(shipped, Shown(texts), whole.diversions(diverted))
    if faults := [fault for fault in faults if not changing.is_known(fault.path, missing=fault.missing)]:
        raise _not_whole(faults)
    with Tree(root) as tree:
        for path, (name, source) in sorted(repair.links.items()):
            with Tree(f"{site.store.tree(site.held, packages[name].locked.sha256)}/root") as files:
                tree.link_file(path, files, source)
        for path in repair.hidden:
            tree.make_whiteout(path)


def _shipped(site: Site, name: str, package: Package, *, known: bool) -> whole.Shipped:
    facts = package.facts
    with open(f"{site.store.tree(site.held, facts.sha256)}/listing", "rb") as file:
        lines = file.read().split(b"\n")[1:-1]
    places = frozenset(unpacking.place(conffile) for conffile in facts.conffiles)
    return whole.Shipped(name, lines, places, known)


def _not_whole(faults: Sequence[whole.Fault]) -> BuildError:
    lines = [
        f"  {os.fsdecode(fault.path)} of {fault.package} {'is missing' if fault.missing else 'was changed'}"
        for fault in faults[:_FAULTS_SHOWN]
    ]
    if len(faults) > _FAULTS_SHOWN:
        lines.append(f"  … and {len(faults) - _FAULTS_SHOWN} more")
    what = "\n".join(lines)
    return BuildError(
        f"configuring left {len(faults)} files of packages otherwise than they were shipped:\n{what}",
        hint="please report it: the packages need care of their own",
    )


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
