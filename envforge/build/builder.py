"""The order of the work: what is fetched, unpacked, farmed and configured when, and what may run beside what.

Runs inside namespace A. One process decides; others do the work:

    fetchers      archives that are missing, those of the base first
    unpackers     an archive each, as soon as it is there
    makers        base (farm, configure) as soon as its packages are unpacked, while the rest still is;
                  then the whole farm beside configuring the rest; then the database over all of them
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final

from attrs import define, field

from envforge.build import make, obtain
from envforge.build.layer import Built, Made
from envforge.build.site import Site
from envforge.build.workers import Workers, wait
from envforge.lock.model import ArchitectureLock, LockedPackage
from envforge.progress import Progress
from envforge.recipe import plan
from envforge.recipe.plan import Package, Step
from envforge.sources.debian.facts import Facts

_MAKERS: Final = 2
"""The whole farm is made beside the configuration of the rest."""


@define
class _Work:
    """What is known so far."""

    lock: ArchitectureLock
    base_ids: frozenset[str]
    packages: dict[str, LockedPackage]
    facts: dict[str, Facts] = field(factory=dict)
    made: dict[str, Made] = field(factory=dict)
    base: Step | None = None
    rest: Step | None = None
    submitted: set[str] = field(factory=set)

    def having(self, ids: frozenset[str]) -> dict[str, Package]:
        """Return the packages of `ids` with their facts."""
        return {name: Package(self.packages[name], self.facts[name]) for name in ids}


def build_debian(site: Site, lock: ArchitectureLock, progress: Progress) -> tuple[Built, ...]:
    """Return the environment's Debian layers from top to bottom, made as far as they are missing."""
    packages = {plan.package_id(package, lock.architecture): package for package in lock.packages}
    work = _Work(lock, plan.base_ids(lock), packages)
    cores = site.config.workers or os.cpu_count() or 1
    with ExitStack() as stack:
        report = lambda count: progress.advance(bytes=count)  # noqa: E731 - a name would say no more
        fetchers = stack.enter_context(Workers(min(site.config.connections, 4), report))
        unpackers = stack.enter_context(Workers(cores))
        makers = stack.enter_context(Workers(_MAKERS))
        _begin(site, work, fetchers, unpackers, progress)
        _advance(site, work, makers)
        for finished in wait(fetchers, unpackers, makers):
            _take(site, work, unpackers, progress, finished)
            _advance(site, work, makers)
    return tuple(work.made[name].built for name in ("database", "rest", "base", "farm") if name in work.made)


def _begin(site: Site, work: _Work, fetchers: Workers, unpackers: Workers, progress: Progress) -> None:
    """Hand out all that is missing: the base's packages first, the largest of them first."""
    missing = []
    for name, package in work.packages.items():
        known = obtain.known_facts(site.store, site.held, package)
        if known is None:
            missing.append((name not in work.base_ids, -package.size, name))
        else:
            work.facts[name] = known
    unfetched = [name for *_, name in missing if not obtain.has_blob(site.store, work.packages[name])]
    if missing:
        total = sum(work.packages[name].size for name in unfetched)
        progress.stage("Fetching and unpacking", total_bytes=total or None, total_items=len(missing))
    archives = {archive.name: archive for archive in work.lock.archives}
    for *_, name in sorted(missing):
        package = work.packages[name]
        if obtain.has_blob(site.store, package):
            unpackers.submit(("unpack", name), obtain.unpack_tree, site.store, site.held, package)
        else:
            archive = archives[package.archive]
            fetchers.submit(("fetch", name), obtain.fetch, site.store, site.config, archive, package)


def _take(
    site: Site, work: _Work, unpackers: Workers, progress: Progress, finished: tuple[tuple[str, str], Any]
) -> None:
    """Note the result of a job, and hand out what follows from it alone."""
    (kind, name), result = finished
    if kind == "fetch":
        package = work.packages[name]
        unpackers.submit(("unpack", name), obtain.unpack_tree, site.store, site.held, package)
    elif kind == "unpack":
        work.facts[name] = result
        progress.advance(items=1, label=name)
    else:
        work.made[name] = result
        if not result.reused:
            progress.message(f"{name}: {result.layer.files} files")


def _advance(site: Site, work: _Work, makers: Workers) -> None:
    """Hand out every layer whose inputs are there now."""
    for name, job, arguments in _possible(work):
        if name not in work.submitted:
            work.submitted.add(name)
            makers.submit(("make", name), job, site, *arguments)


def _possible(work: _Work) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    if work.base is None and work.base_ids <= work.facts.keys():
        work.base = plan.base_step(work.having(work.base_ids))
    if work.base is not None:
        yield "base", make.configured, (work.base, work.having(work.base_ids), ())
    if work.base is None or work.packages.keys() != work.facts.keys():
        return
    everything = work.having(frozenset(work.packages))
    yield "farm", make.farm, (plan.farm_recipe(everything), everything)
    if "base" not in work.made:
        return
    if "rest" not in work.submitted:
        work.rest = plan.rest_step(everything, work.base)
    below: tuple[Made, ...] = (work.made["base"],)
    if work.rest is not None:
        yield "rest", make.configured, (work.rest, _only(everything, work.rest), below)
        if "rest" not in work.made:
            return
        below = (work.made["rest"], *below)
    if "farm" in work.made:
        recipe = plan.database_recipe(everything, (made.recipe for made in below))
        yield "database", make.database, (recipe, everything, (*below, work.made["farm"]))


def _only(packages: Mapping[str, Package], step: Step) -> dict[str, Package]:
    chosen = frozenset(step.present) | frozenset(step.configure)
    return {name: package for name, package in packages.items() if name in chosen}
