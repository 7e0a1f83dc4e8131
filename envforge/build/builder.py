"""Builds what the sources of an environment ask for, as much of it in parallel as possible.

One process, with the host's view, hands tasks out, publishes what they give and holds the locks of what is
being made; others do the work, all but the fetchers confined to the parts of the store that they need
(`site.py`). What is to be done, and what follows from it, the works say (`task.py`); each lies over those
before it, and hears when all layers below are made.
"""

import os
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Final

from attrs import define, field

from envforge.build import site
from envforge.build.layer import Built
from envforge.build.script_log import ScriptLog
from envforge.build.site import Site
from envforge.build.task import Kind, Task, Work
from envforge.build.workers import Cell, Done, Workers, ready
from envforge.errors import EnvforgeError
from envforge.progress import Progress, events
from envforge.store import locks

_FETCHERS_MAX: Final = 4
"""More connections than this were no faster to one mirror."""
_AGAIN_MS: Final = 50
"""How often is looked whether another build has made what both need."""

_Tag = tuple[int, Hashable]
"""Which work, and its task's tag."""


@define
class _Crew:
    """The processes of one build, and what they have in hand."""

    site: Site
    works: Sequence[Work]
    """Bottom to top."""
    below: tuple[Built, ...]
    """Layers beneath all works, top to bottom."""
    log: ScriptLog
    pools: dict[Kind, Workers]
    waiting: deque[tuple[int, Task]] = field(factory=deque)
    """By the place of their work: what could be done, but for workers or another build's lock."""
    in_hand: dict[_Tag, tuple[Task, int]] = field(factory=dict)
    """Tasks under way, with the descriptors of their locks (-1: none)."""
    risen: int = 0
    """How many works have heard that all below them is made."""
    blocked: bool = False
    """Another build makes something that this one waits for."""


def build(
    site: Site, works: Sequence[Work], progress: Progress, *, below: tuple[Built, ...] = ()
) -> tuple[Built, ...]:
    """Return the layers of all works over those `below`, top to bottom, made as far as they are missing.

    Raises what fetching, unpacking and scripts raise; the log of scripts that failed is named.
    """
    with ExitStack() as stack:
        log = stack.enter_context(ScriptLog(site.project, progress))
        crew = _crew(site, works, below, log, stack)
        stack.callback(_let_go, crew)
        for place, work in enumerate(works):
            _want(crew, place, work.begin())
        _rise(crew)
        _hand_out(crew)
        while crew.in_hand or crew.waiting:
            said = ready(*crew.pools.values(), timeout_ms=_AGAIN_MS if crew.blocked else None)
            _hear(crew, said)
            _hand_out(crew)
        return _layers(crew, len(works))


def _crew(
    place: Site, works: Sequence[Work], below: tuple[Built, ...], log: ScriptLog, stack: ExitStack
) -> _Crew:
    store, config = place.store, place.config
    cores = config.workers or os.cpu_count() or 1

    def pool(count: int, view: Any = None, report: Any = lambda _value: None) -> Workers:
        cell = Cell(store, place.identity, view) if view else None
        return stack.enter_context(Workers(count, cell, report))

    def heard(event: Any) -> None:
        log.progress.send(events.from_json(event))

    pools = {
        Kind.FETCH: pool(min(config.connections, _FETCHERS_MAX), report=heard),
        Kind.UNPACK: pool(cores, site.unpacking(store)),
        Kind.LINK: pool(2, site.linking(store)),
        Kind.LINK_AND_RUN: pool(1, site.linking(store, runs_programs=True)),
        Kind.RUN: pool(1, site.configuring(store), report=log.take),
        Kind.PLACE: pool(cores, site.placing(store)),
    }
    return _Crew(place, works, below, log, pools)


def _let_go(crew: _Crew) -> None:
    for _, descriptor in crew.in_hand.values():
        if descriptor >= 0:
            os.close(descriptor)


def _layers(crew: _Crew, count: int) -> tuple[Built, ...]:
    """Return the layers of the lowest works and all beneath, top to bottom."""
    works = reversed(crew.works[:count])
    return (*(made.built for work in works for made in work.layers() or ()), *crew.below)


def _want(crew: _Crew, place: int, tasks: Iterable[Task]) -> None:
    crew.waiting.extend((place, task) for task in tasks)


def _rise(crew: _Crew) -> None:
    """Tell each work whose lower ones are done, once; one that needs nothing done is done with it."""
    works = crew.works
    while crew.risen < len(works) and all(work.layers() is not None for work in works[: crew.risen]):
        place = crew.risen
        crew.risen += 1
        _want(crew, place, works[place].over(_layers(crew, place)))


def _hear(crew: _Crew, said: set[int]) -> None:
    """Take what workers have to say. Where scripts fail the error names their log."""
    for kind, pool in crew.pools.items():
        try:
            for done in pool.finished(said):
                _take(crew, done)
        except EnvforgeError as error:
            raise crew.log.named(error) if kind is Kind.RUN else error from None


def _take(crew: _Crew, done: Done) -> None:
    """Take over what a task made, and hear what can be done now."""
    task, descriptor = crew.in_hand[done.tag]
    try:
        value = task.publish(done)
    finally:
        del crew.in_hand[done.tag]
        if descriptor >= 0:
            os.close(descriptor)
    _follow(crew, done.tag[0], task, value)


def _follow(crew: _Crew, place: int, task: Task, value: Any) -> None:
    _want(crew, place, crew.works[place].done(task.tag, value))
    _rise(crew)


def _hand_out(crew: _Crew) -> None:
    """Hand out all that can be done now; what another build is making is looked for again later."""
    crew.blocked = False
    kept: list[tuple[int, Task]] = []
    while crew.waiting:
        place, task = crew.waiting.popleft()
        pool = crew.pools[task.kind]
        must_wait = (task.lock and not pool.is_free) or (task.reader and pool.channels)
        if must_wait:
            kept.append((place, task))
        elif not _begin(crew, place, task, pool):
            kept.append((place, task))
            crew.blocked = True
    crew.waiting.extend(kept)


def _begin(crew: _Crew, place: int, task: Task, pool: Workers) -> bool:
    """Have a task done; say whether that is under way, or done by another build."""
    descriptor = -1
    if task.lock:
        held = locks.try_hold(crew.site.store, task.lock)
        if held is None:
            return False
        value = task.find()
        if value is None:
            value = task.take(crew.log.progress)
        if value is not None:
            os.close(held)
            _follow(crew, place, task, value)
            return True
        descriptor = held
    if task.reader:
        crew.log.read_by(task.reader)
    tag = (place, task.tag)
    crew.in_hand[tag] = (task, descriptor)
    pool.submit(tag, task.job, *task.arguments)
    return True
