"""Carries a build out: what is fetched, unpacked, farmed and configured, side by side.

One process, with the host's view, decides (`work.py`) and publishes; others do the work, all but the fetchers
confined to the parts of the store that they need (`site.py`):

    fetchers      archives that are missing, those of the base first
    unpackers     an archive each, as soon as it is there; the disk writes them while the rest is made
    linkers       farms: the base's as soon as its packages are unpacked, the whole one beside configuring
    configurers   base over its farm while other packages are still unpacked, the rest over that
    closers       the database over all of them
"""

import os
from collections import deque
from contextlib import ExitStack
from typing import Any, Final

from attrs import define, field

from envforge.build import layer, site
from envforge.build.layer import Built, Made
from envforge.build.recipe import Recipe
from envforge.build.site import Site
from envforge.build.workers import Cell, Done, Workers, ready
from envforge.errors import EnvforgeError
from envforge.progress import Progress, events
from envforge.sources.debian.deb import decoder
from envforge.sources.debian.layers import jobs as make
from envforge.sources.debian.layers import obtain
from envforge.sources.debian.layers.script_log import ScriptLog
from envforge.sources.debian.model import ArchitectureLock
from envforge.sources.debian.recipes import plan
from envforge.sources.debian.recipes.work import Task, Work, begin
from envforge.store import locks

_FETCHERS_MAX: Final = 4
"""More connections than this were no faster to one mirror."""
_AGAIN_MS: Final = 50
"""How often is looked whether another build has made what both need."""


@define
class _Crew:
    """The processes of one build, and what they have in hand."""

    site: Site
    work: Work
    progress: Progress
    log: ScriptLog
    fetchers: Workers
    unpackers: Workers
    makers: dict[Any, Workers]
    """By the job that they do."""
    fetched: deque[str] = field(factory=deque)
    """Packages whose archives are there."""
    held: dict[Any, int] = field(factory=dict)
    """Locks of what is being made, by the job's tag."""
    recipes: dict[str, Recipe] = field(factory=dict)
    """Those of layers that are being made or have been, by key."""
    blocked: bool = False
    """Another build makes something that this one waits for."""

    @property
    def pools(self) -> tuple[Workers, ...]:
        """Return all workers."""
        return (self.fetchers, self.unpackers, *self.makers.values())

    @property
    def is_busy(self) -> bool:
        """Return whether anything is under way."""
        return bool(self.blocked or self.fetched or any(pool.channels for pool in self.pools))


def build_debian(site: Site, lock: ArchitectureLock, progress: Progress) -> tuple[Built, ...]:
    """Return the environment's Debian layers from top to bottom, made as far as they are missing."""
    work = begin(lock, _known(site, lock))
    with ExitStack() as stack:
        log = stack.enter_context(ScriptLog(site.project, progress))
        crew = _crew(site, work, log, stack)
        stack.callback(_let_go, crew)
        _begin(crew, lock)
        _hand_out(crew)
        while crew.is_busy:
            said = ready(*crew.pools, timeout_ms=_AGAIN_MS if crew.blocked else None)
            _hear(crew, said)
            _hand_out(crew)
        return tuple(made.built for made in work.layers())


def _hear(crew: _Crew, said: set[int]) -> None:
    """Take what workers have to say. Where scripts fail the error names their log."""
    for pool in crew.pools:
        try:
            for done in pool.finished(said):
                _take(crew, done)
        except EnvforgeError as error:
            raise crew.log.named(error) if pool is crew.makers[make.configured] else error from None


def _crew(place: Site, work: Work, log: ScriptLog, stack: ExitStack) -> _Crew:
    store = place.store
    cores = place.config.workers or os.cpu_count() or 1

    def pool(count: int, view: Any = None, report: Any = lambda _value: None) -> Workers:
        cell = Cell(store, place.identity, view) if view else None
        return stack.enter_context(Workers(count, cell, report))

    def heard(event: Any) -> None:
        log.progress.send(events.from_json(event))

    return _Crew(
        place,
        work,
        log.progress,
        log,
        pool(min(place.config.connections, _FETCHERS_MAX), report=heard),
        pool(cores, site.unpacking(store)),
        {
            make.farm: pool(2, site.linking(store)),
            make.configured: pool(1, site.configuring(store), report=log.take),
            make.database: pool(1, site.linking(store, runs_programs=True)),
        },
    )


def _let_go(crew: _Crew) -> None:
    for descriptor in crew.held.values():
        os.close(descriptor)


def _known(site: Site, lock: ArchitectureLock) -> dict[str, Any]:
    """Return the facts of packages whose trees need not be made: none where all is made anew."""
    if site.anew:
        return {}
    known = {
        plan.package_id(package, lock.architecture): obtain.known_facts(site.store, site.held, package)
        for package in lock.packages
    }
    return {name: facts for name, facts in known.items() if facts is not None}


def _begin(crew: _Crew, lock: ArchitectureLock) -> None:
    """Have all fetched that is missing: the base's packages first, the largest of them first."""
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
        crew.fetchers.submit("decoder", decoder.fetch, site.store, site.config, lock.architecture)
    for name in missing:
        package = work.packages[name]
        if name in unfetched:
            archive = archives[package.archive]
            work_of = (site.store, site.config, archive, package, name)
            crew.fetchers.submit(("fetched", name), obtain.fetch, *work_of)
        else:
            crew.fetched.append(name)


def _take(crew: _Crew, done: Done) -> None:
    """Take over what a job made."""
    site, work = crew.site, crew.work
    try:
        match done.tag:
            case "decoder":
                if done.value:
                    crew.unpackers.submit("decoder tree", decoder.unpack, site.store, done.value)
            case "decoder tree":
                decoder.publish(site.store, done.directory, f"/{done.name}/tree", done.value)
            case ("fetched", name):
                crew.fetched.append(name)
            case ("unpacked", name):
                place = f"/{done.name}"
                facts = obtain.publish(
                    site.store,
                    site.held,
                    work.packages[name],
                    done.directory,
                    place,
                    same=done.value is True,
                )
                _unpacked(crew, name, facts)
            case ("made", key):
                recipe = crew.recipes[key]
                made = layer.publish(site, recipe, done.directory, f"/{done.name}/layer", done.value)
                work.made[key] = made
                _tell(crew, made)
    finally:
        descriptor = crew.held.pop(done.tag, None)
        if descriptor is not None:
            os.close(descriptor)


def _unpacked(crew: _Crew, name: str, facts: Any) -> None:
    crew.work.facts[name] = facts
    crew.progress.item(name)


def _tell(crew: _Crew, made: Made) -> None:
    crew.progress.message(f"{made.recipe.name}: {made.layer.files} files")
    if made.recipe.name == "farm" and crew.makers[make.configured].channels:  # the rest is being configured
        crew.fetchers.submit("written", obtain.write_out, crew.site.store)


def _hand_out(crew: _Crew) -> None:
    """Hand out all that can be done now; what another build is making is looked for again later."""
    crew.blocked = False
    for _ in range(len(crew.fetched)):
        if not crew.unpackers.is_free:
            break
        name = crew.fetched.popleft()
        if not _hand_out_package(crew, name):
            crew.fetched.append(name)
            crew.blocked = True
    _look_for_layers(crew)
    if not crew.log.is_staged and (unconfigured := crew.work.unconfigured()) is not None:
        crew.log.begin_stage(unconfigured)
    for task in crew.work.tasks():
        if task.key not in crew.recipes and not _hand_out_layer(crew, task):
            crew.blocked = True


def _hand_out_package(crew: _Crew, name: str) -> bool:
    """Have a package unpacked; say whether that is under way, or done."""
    site, package = crew.site, crew.work.packages[name]
    descriptor = locks.try_hold(site.store, f"{site.held}-{package.sha256}")
    if descriptor is None:
        return False
    facts = None if site.anew else obtain.known_facts(site.store, site.held, package)
    if facts is not None:  # another build has unpacked it meanwhile
        os.close(descriptor)
        _unpacked(crew, name, facts)
        return True
    tag = ("unpacked", name)
    crew.held[tag] = descriptor
    crew.unpackers.submit(tag, obtain.unpack_tree, site.store, site.held, package)
    return True


def _look_for_layers(crew: _Crew) -> None:
    """Find the layers that are in the store: what lies beneath them need not be made."""
    if crew.site.anew:
        return
    for recipe in crew.work.recipes():
        if recipe.key in crew.recipes or recipe.key in crew.work.made:
            continue
        made = layer.find(crew.site, recipe)
        if made is not None:
            crew.work.made[recipe.key] = made


def _hand_out_layer(crew: _Crew, task: Task) -> bool:
    """Have a layer made; say whether that is under way, or done."""
    site, recipe = crew.site, task.recipe
    descriptor = locks.try_hold(site.store, layer.lock_name(site, recipe))
    if descriptor is None:
        return False
    made = None if site.anew else layer.find(site, recipe)
    if made is not None:  # another build has made it meanwhile
        os.close(descriptor)
        crew.work.made[recipe.key] = made
        return False
    tag = ("made", recipe.key)
    crew.recipes[recipe.key] = recipe
    crew.held[tag] = descriptor
    crew.makers[task.job].submit(tag, task.job, site, *task.arguments)
    return True
