"""The jobs of confined workers that make one layer each: farm, inert, configured, database."""

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from envforge.build.layer import Made
from envforge.build.site import Site
from envforge.build.workers import Report
from envforge.errors import BuildError
from envforge.sources.debian.configure import run as configure
from envforge.sources.debian.dpkg import relations
from envforge.sources.debian.layers import database as system
from envforge.sources.debian.layers import farm as farms
from envforge.sources.debian.layers import inert as inert_farm
from envforge.sources.debian.recipes.plan import Package, Step, farmed
from envforge.store import layers, listing

_ODD: Final = frozenset(
    (errno.ELOOP, errno.EXDEV, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EFBIG)
) | {errno.ENAMETOOLONG, errno.EEXIST}


def farm(_report: Report, place: str, site: Site, packages: Mapping[str, Package]) -> dict[str, Any]:
    """Make the farm of `packages`."""
    target = f"{place}/layer/root"
    os.makedirs(target, 0o755)
    trees = [_tree(site, name, packages[name]) for name in farmed(packages)]
    chosen = farms.plan_farm([(tree, farms.load_tree(tree)) for tree in trees])
    entries = farms.make_farm(chosen, target, chown=site.held != "flat")
    return layers.stage(f"{place}/layer", entries, linked=True)


def inert(
    _report: Report,
    place: str,
    site: Site,
    packages: Mapping[str, Package],
    beneath: Collection[str],
    lower: Made,
) -> dict[str, Any]:
    """Make the farm of packages that nothing configures, over `lower`, the farm of those `beneath`."""
    target = f"{place}/layer/root"
    os.makedirs(target, 0o755)
    trees = [_tree(site, name, packages[name]) for name in farmed(packages)]
    own = [(tree, farms.load_tree(tree)) for tree in trees if tree.name not in beneath]
    lines = listing.index(layers.read_listing(site.store, site.held, lower.layer.digest))
    chosen = inert_farm.quickly(lines, own)
    if chosen is None:
        chosen = inert_farm.over([(tree, farms.load_tree(tree)) for tree in trees], beneath)
    entries = farms.make_farm(chosen, target, chown=site.held != "flat")
    return layers.stage(f"{place}/layer", entries, linked=True)


def _tree(site: Site, name: str, package: Package) -> farms.Tree:
    replaced = frozenset(group[0].name for group in relations.parse(package.relations.get("Replaces", "")))
    return farms.Tree(name, site.store.tree(site.held, package.locked.sha256), replaced)


def configured(  # noqa: PLR0917 - a job takes its arguments by their places
    report: Report,
    place: str,
    site: Site,
    step: Step,
    packages: Mapping[str, Package],
    below: Sequence[Made],
) -> dict[str, Any]:
    """Make the layer that configuring a step writes; the last of `below` is the farm of its packages.

    The layer's `notes` tell later recipes what scripts changed in dpkg's database.
    """
    with _foreign_tree():
        entries, notes = configure.run(site, place, step, packages, below, report=report)
    return {**layers.stage(f"{place}/layer", entries), "notes": notes}


def database(
    _report: Report, place: str, site: Site, packages: Mapping[str, Package], below: Sequence[Made]
) -> dict[str, Any]:
    """Make the database layer: dpkg's database, apt's marks, ld.so.cache."""
    with _foreign_tree():
        entries = system.run(site, place, packages, below)
    return layers.stage(f"{place}/layer", entries)


@contextmanager
def _foreign_tree() -> Iterator[None]:
    """Turn an OSError that a package caused, by a link or directory in place of a file, into a BuildError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _ODD:
            raise
        what = os.fsdecode(error.filename or "a file")
        raise BuildError(
            f"a package has left something odd where a file is read or written: {what}: {error.strerror}",
            hint="`envforge build --verbose` tells which packages were configured; leave it out of the spec",
        ) from error
