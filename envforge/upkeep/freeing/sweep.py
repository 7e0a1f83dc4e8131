"""Moves garbage into a trash while builds and sandboxes go on.

The plan was made without locks, so everything is looked at again: in batches of a bounded time nothing new
can be held, and whatever is reached by then stays. A build that had not said what it needs finds nothing and
makes it again. An environment goes first, with its lock held alone; so nobody is inside, and nobody can
enter any more.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from envforge.sandbox.uppers import KEPT
from envforge.store import holds, locks
from envforge.store.layout import Store
from envforge.upkeep import documents, roots
from envforge.upkeep.freeing.trash import Trash
from envforge.upkeep.mark import Index
from envforge.upkeep.model import Cause, Kind, Plan, Root, Things, places, union

PAUSE_S: Final = 0.05
"""How long builds may have to wait for a batch, besides what looking again takes."""
_BETWEEN_S: Final = 0.005
"""Builds that wait have their turn."""


def sweep(store: Store, plan: Plan, trash: Trash) -> Things:
    """Move the plan's garbage to the trash, but for what anything needs by now; return what was moved."""
    sweeper = Sweeper(store, plan)
    while sweeper.waiting:
        sweeper.batch(trash)
        time.sleep(_BETWEEN_S)
    return sweeper.moved


class Sweeper:
    """What is left to do of a plan, and what has become needed since."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self.moved: Things = 0
        self._things = plan.marked.things
        self.waiting = list(places(plan.garbage))[::-1]
        """Places of things, the next one last."""
        self._store = store
        self._index = Index(self._things, partial(documents.read, store))
        self._tools = tuple(one for one in plan.kept if one.cause == Cause.TOOL)
        self._spared: Things = 0
        self._seen: object = None

    def batch(self, trash: Trash) -> None:
        """Move things for a bounded time, while no build can hold anything new."""
        if _recorded_state(self._store) != self._seen:
            self._look_again()  # now, and not while builds wait
        with holds.collecting(self._store) as held:
            if _recorded_state(self._store) != self._seen:
                self._look_again()
            if held:
                self._follow_new_documents()
                found = roots.builds({"": held}, self._things)
                self._spared |= union(self._index.reached(one.keeps) for one in found)
            end = time.monotonic() + PAUSE_S
            while self.waiting and time.monotonic() < end:
                self._move(self.waiting.pop(), trash)

    def _look_again(self) -> None:
        """Spare what roots reach by now; what was spared before stays spared."""
        self._seen = _recorded_state(self._store)
        self._follow_new_documents()
        now: tuple[Root, ...] = (*roots.recorded(self._store), *roots.uppers(self._store), *self._tools)
        self._spared |= union(self._index.reached(one.keeps) for one in now)

    def _follow_new_documents(self) -> None:
        for folder in (Kind.ENVIRONMENT, Kind.RECORD):
            for name in os.listdir(f"{self._store.path}/{folder}"):
                if name.endswith(".json"):
                    self._index.add_document(folder, name.removesuffix(".json"))

    def _move(self, place: int, trash: Trash) -> None:
        thing = self._things[place]
        if self._spared >> place & 1:
            return
        if thing.kind is Kind.ENVIRONMENT:
            with _alone(self._store, thing.name) as is_alone:
                if is_alone and trash.take(thing):
                    self.moved |= 1 << place
                elif not is_alone:
                    self._spared |= self._index.reached((thing.name,))
        elif trash.take(thing):
            self.moved |= 1 << place


def _recorded_state(store: Store) -> object:
    """Return what changes whenever a root is recorded or removed."""
    states: list[object] = [name for name in os.listdir(f"{store.path}/uppers") if name.startswith(KEPT)]
    for folder in ("roots", "pins"):
        for entry in sorted(os.scandir(f"{store.path}/{folder}"), key=lambda entry: entry.name):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            numbers = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
            states.append((folder, entry.name, numbers))
    return states


@contextmanager
def _alone(store: Store, digest: str) -> Iterator[bool]:
    """Yield whether nobody is inside an environment; who wants to enter meanwhile waits."""
    try:
        descriptor = locks.taken(store.environment_lock(digest))
    except FileNotFoundError:
        yield True
        return
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)
