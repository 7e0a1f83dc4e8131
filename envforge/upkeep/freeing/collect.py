"""Collects garbage: decides what goes, moves it to the trash, and deletes it at once or some hours later."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen

from envforge.environment.projects import dropping
from envforge.errors import InUseError, NotFoundError
from envforge.progress import Progress
from envforge.sandbox import uppers
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.confined.deleting import delete
from envforge.sandbox.ids.identity import Identity
from envforge.store import locks, partial, staging
from envforge.store.layout import Store
from envforge.upkeep import usage
from envforge.upkeep.freeing import emptying, trash
from envforge.upkeep.freeing.plan import plan
from envforge.upkeep.freeing.sweep import sweep
from envforge.upkeep.freeing.trash import Restored, Trash
from envforge.upkeep.model import Cause, Kind, Plan, Policy, Size
from envforge.upkeep.survey import Survey, survey
from envforge.upkeep.things import size_of

_LOCK = "gc"


@frozen
class Decision:
    """What a garbage collection would do."""

    plan: Plan
    trash: Size
    """What lies in the trash already."""
    total: Size
    """What the whole store takes now; nothing where no size was asked for."""


@frozen
class Collected:
    """What a garbage collection did."""

    decision: Decision
    moved: Size
    """What it took out of the store."""
    emptied: Size
    """What was deleted for good: older trash, and what was moved where it was not kept in the trash."""
    is_kept: bool
    """What was moved lies in the trash, and can be brought back."""
    layers: int
    """How many layers went."""
    generations: int
    """How many generations were dropped."""


def decide(store: Store, identity: Identity, policy: Policy, progress: Progress) -> Decision:
    """Return what a garbage collection of this policy would do. Nothing is locked, nothing changed."""
    found = survey(store, identity, progress)
    whole = usage.total(store, found) if policy.max_size_bytes is not None else Size()
    excess = _excess(store, policy, whole, found)
    trashed = found.passing["trash"] - size_of(os.lstat(f"{store.path}/trash"))
    return Decision(plan(found.marked, policy, now=time.time(), excess_bytes=excess), trashed, whole)


def _excess(store: Store, policy: Policy, whole: Size, found: Survey) -> int:
    """Return how many bytes have to go, once the trash is empty."""
    trashed = found.passing["trash"].size_bytes
    excess = 0
    if policy.max_size_bytes is not None:
        excess = whole.size_bytes - trashed - policy.max_size_bytes
    if policy.min_free_bytes is not None:
        there = os.statvfs(store.path)
        excess = max(excess, policy.min_free_bytes - there.f_bavail * there.f_frsize - trashed)
    return excess


def collect(
    store: Store, identity: Identity, policy: Policy, progress: Progress, *, at_once: bool = False
) -> Collected:
    """Collect garbage. What goes lies in the trash for some hours, unless space is asked for, or `at_once`.

    Raises InUseError where another collection is going on, StoreError where a document of the store is
    damaged.
    """
    empties = at_once or policy.max_size_bytes is not None or policy.min_free_bytes is not None
    with _alone(store):
        decision = decide(store, identity, policy, progress)
        if empties:
            emptying.empty(store, identity, progress)
        with trash.filling(store) as bin_:
            generations = _drop(store, decision.plan, bin_)
            moved = sweep(store, decision.plan, bin_)
        if empties:
            emptying.empty(store, identity, progress)
        _tidy(store, identity)
    marked = decision.plan.marked
    size, layers = marked.weigh(moved), marked.tally(moved).get(Kind.LAYER)
    return Collected(
        decision,
        size,
        decision.trash + size if empties else Size(),
        is_kept=not empties,
        layers=layers.count if layers else 0,
        generations=generations,
    )


def undo(store: Store) -> Restored:
    """Bring back what the last collection took. Raises NotFoundError where there is none, InUseError."""
    with _alone(store):
        found = trash.collected(store)
        if not found:
            raise NotFoundError(
                "no garbage collection can be undone: the trash is empty",
                hint="`envforge build` makes an environment again",
            )
        return trash.restore(store, found[0])


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    descriptor = locks.try_hold(store, _LOCK)
    if descriptor is None:
        raise InUseError(
            f"another garbage collection is going on in {store.path}", hint="try again when that has ended"
        )
    try:
        yield
    finally:
        os.close(descriptor)


def _drop(store: Store, decided: Plan, into: Trash) -> int:
    """Drop the plan's generations, each project's at once; return how many."""
    numbers: dict[tuple[str, str], set[int]] = {}
    for root in decided.dropped:
        if root.cause == Cause.GENERATION:
            numbers.setdefault((root.spec, root.variant), set()).add(root.number)
    return sum(dropping.drop(store, *project, those, into.note) for project, those in numbers.items())


def _tidy(store: Store, identity: Identity) -> None:
    """Remove what nobody keeps: what dead processes left, locks and parts of files that nobody uses."""
    uppers.sweep(f"{store.path}/uppers", f"{store.path}/trash", delete)
    locks.sweep(store)
    partial.sweep(store)
    if staging.has_debris(store):
        view = View.of(writable=[f"{store.path}/{kind}" for kind in ("staging", "trash")], every_id=True)
        call_confined(identity, view, staging.clear_debris, store)
