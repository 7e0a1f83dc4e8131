"""Carries a build out: what is fetched, unpacked, farmed and configured, side by side. Inside namespace A.

One process decides (`work.py`); others do the work:

    fetchers      archives that are missing, those of the base first
    unpackers     an archive each, as soon as it is there; one has the disk write them while the rest is made
    makers        base (farm, configure) as soon as its packages are unpacked, while others still are; then
                  the rest over it, and beside that the farm of everything; the database over all of them
"""

import os
from contextlib import ExitStack
from typing import Any, Final

from attrs import define, field

from envforge.build import decoder, obtain
from envforge.build.layer import Built, Made
from envforge.build.site import Site
from envforge.build.work import Work, begin
from envforge.build.workers import Workers, wait
from envforge.lock.model import ArchitectureLock
from envforge.progress import Progress
from envforge.recipe import plan

_MAKERS: Final = 2
"""The whole farm is made beside the configuration of the rest."""
_FETCHERS_MAX: Final = 4
"""More connections than this were no faster to one mirror."""


@define
class _Crew:
    """The processes of one build."""

    site: Site
    work: Work
    progress: Progress
    fetchers: Workers
    unpackers: Workers
    makers: Workers
    submitted: set[str] = field(factory=set)


def build_debian(site: Site, lock: ArchitectureLock, progress: Progress) -> tuple[Built, ...]:
    """Return the environment's Debian layers from top to bottom, made as far as they are missing."""
    work = begin(lock, _known(site, lock))
    cores = site.config.workers or os.cpu_count() or 1
    with ExitStack() as stack:
        report = lambda count: progress.advance(bytes=count)  # noqa: E731 - a name would say no more
        crew = _Crew(
            site,
            work,
            progress,
            stack.enter_context(Workers(min(site.config.connections, _FETCHERS_MAX), report)),
            stack.enter_context(Workers(cores)),
            stack.enter_context(Workers(_MAKERS)),
        )
        _begin(crew, lock)
        _make(crew)
        for (kind, name), result in wait(crew.fetchers, crew.unpackers, crew.makers):
            _take(crew, kind, name, result)
            _make(crew)
        return tuple(made.built for made in work.layers())


def _known(site: Site, lock: ArchitectureLock) -> dict[str, Any]:
    known = {
        plan.package_id(package, lock.architecture): obtain.known_facts(site.store, site.held, package)
        for package in lock.packages
    }
    return {name: facts for name, facts in known.items() if facts is not None}


def _begin(crew: _Crew, lock: ArchitectureLock) -> None:
    """Hand out all that is missing: the base's packages first, the largest of them first."""
    site, work = crew.site, crew.work
    archives = {archive.name: archive for archive in lock.archives}
    missing = sorted(
        work.packages.keys() - work.facts.keys(),
        key=lambda name: (name not in work.base_ids, -work.packages[name].size, name),
    )
    unfetched = {name for name in missing if not obtain.has_blob(site.store, work.packages[name])}
    if missing:
        total = sum(work.packages[name].size for name in unfetched)
        crew.progress.stage("fetching and unpacking", total_bytes=total or None, total_items=len(missing))
    if unfetched and decoder.is_missing(site.store, lock.architecture):
        crew.fetchers.submit(("decoder", ""), decoder.obtain, site.store, site.config, lock.architecture)
    for name in missing:
        package = work.packages[name]
        if name in unfetched:
            archive = archives[package.archive]
            crew.fetchers.submit(("fetch", name), obtain.fetch, site.store, site.config, archive, package)
        else:
            _unpack(crew, name)


def _unpack(crew: _Crew, name: str) -> None:
    package = crew.work.packages[name]
    crew.unpackers.submit(("unpack", name), obtain.unpack_tree, crew.site.store, crew.site.held, package)


def _take(crew: _Crew, kind: str, name: str, result: Any) -> None:
    """Note the result of a job, and hand out what follows from it alone."""
    if kind == "fetch":
        _unpack(crew, name)
    elif kind == "unpack":
        crew.work.facts[name] = result
        crew.progress.advance(items=1, label=name)
        if crew.work.facts.keys() == crew.work.packages.keys():
            crew.progress.stage("configuring")
    elif kind == "make":
        crew.work.made[name] = result
        _tell(crew, result)
        if result.recipe.name == "farm" and crew.makers.channels:  # the rest is being configured
            crew.unpackers.submit(("write out", ""), obtain.write_out, crew.site.store)


def _tell(crew: _Crew, made: Made) -> None:
    if not made.reused:
        crew.progress.message(f"{made.recipe.name}: {made.layer.files} files")


def _make(crew: _Crew) -> None:
    """Hand out every layer whose inputs are there now."""
    for task in crew.work.tasks():
        if task.key not in crew.submitted:
            crew.submitted.add(task.key)
            crew.makers.submit(("make", task.key), task.job, crew.site, *task.arguments)
