"""Builds the layers of an environment, with as many tasks in parallel as possible.

One process, with the host's view, schedules tasks, publishes their results and holds the locks of layers in
progress. Worker processes run the tasks, all but the fetchers confined to the parts of the store that they
need (`site.py`). Each source gives a work (`task.py`), which decides what tasks there are and which ones
follow from a result; works are stacked, and each is told when all layers below it are made.
"""

import os
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Final

from attrs import define, field

from envforge.build import site
from envforge.build.built import Built
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
"""Interval of retries for tasks that another build has locked."""

_Tag = tuple[int, Hashable]
"""A work's index, and its task's tag."""


@define
class _Crew:
    """The state of one build: its worker pools, and the tasks that wait or run."""

    site: Site
    works: Sequence[Work]
    """Bottom to top."""
    below: tuple[Built, ...]
    """Layers beneath all works, top to bottom."""
    log: ScriptLog
    pools: dict[Kind, Workers]
    waiting: deque[tuple[int, Task]] = field(factory=deque)
    """Tasks that wait for a worker or for another build's lock, each with its work's index."""
    in_hand: dict[_Tag, tuple[Task, int]] = field(factory=dict)
    """Running tasks, with the descriptors of their locks (-1: none)."""
    risen: int = 0
    """How many works have been told that all layers below them are made."""
    blocked: bool = False
    """Another build has the lock of a waiting task."""


def build(
    site: Site, works: Sequence[Work], progress: Progress, *, below: tuple[Built, ...] = ()
) -> tuple[Built, ...]:
    """Make the missing layers of all works; return all layers, those `below` included, top to bottom.

    Raises what fetching, unpacking and scripts raise; if scripts failed, the error names their log.
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
    """Return the layers of the lowest `count` works and those beneath all works, top to bottom."""
    works = reversed(crew.works[:count])
    return (*(made.built for work in works for made in work.layers() or ()), *crew.below)


def _want(crew: _Crew, place: int, tasks: Iterable[Task]) -> None:
    crew.waiting.extend((place, task) for task in tasks)


def _rise(crew: _Crew) -> None:
    """Tell each work, once, that all layers below it are made; a work without tasks is done by that."""
    works = crew.works
    while crew.risen < len(works) and all(work.layers() is not None for work in works[: crew.risen]):
        place = crew.risen
        crew.risen += 1
        _want(crew, place, works[place].over(_layers(crew, place)))


def _hear(crew: _Crew, said: set[int]) -> None:
    """Handle the messages of ready workers. If scripts failed, the error names their log."""
    for kind, pool in crew.pools.items():
        try:
            for done in pool.finished(said):
                _take(crew, done)
        except EnvforgeError as error:
            raise crew.log.named(error) if kind is Kind.RUN else error from None


def _take(crew: _Crew, done: Done) -> None:
    """Publish a task's result, release its lock, and queue the tasks that follow."""
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
    """Start every task that can run now; one that another build has locked is tried again later."""
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
    """Start a task, or take its result from store or cache; return False if another build has its lock."""
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
