"""Decides what a garbage collection drops and frees. Pure."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from operator import or_

from envforge.upkeep.model import Cause, Marked, Plan, Policy, Root, Things


def plan(marked: Marked, policy: Policy, *, now: float, excess_bytes: int = 0) -> Plan:
    """Return which roots are dropped, and what goes then.

    `excess_bytes` are to be freed in any case: roots are dropped, the least recently used first, until that
    is reached or nothing is left that may be dropped.
    """
    wanted = _expired(marked.roots, policy, now)
    reached = dict(zip(marked.roots, marked.reached, strict=True))
    last = [root for root in marked.roots if not root.can_be_dropped]
    droppable = sorted((root for root in marked.roots if root.can_be_dropped), key=_order)
    leaving = [root for root in droppable if root in wanted]
    staying = [root for root in droppable if root not in wanted]
    order = [*last, *reversed(staying), *reversed(leaving)]
    kept = list(accumulate((reached[root] for root in order), or_, initial=0))
    stay = _how_many_stay(marked, kept, len(last), len(order) - len(leaving), excess_bytes)
    dropped = tuple(reversed(order[stay:]))
    steps = tuple(kept[at + 1] & ~kept[at] for at in reversed(range(stay, len(order))))
    return Plan(
        marked,
        dropped,
        by_root=tuple(marked.weigh(step) for step in steps),
        garbage=marked.everything & ~kept[stay],
    )


def _how_many_stay(marked: Marked, kept: Sequence[Things], least: int, most: int, excess_bytes: int) -> int:
    """Return how many of the roots that `kept` adds up stay, so that the excess is freed if it can be."""
    if excess_bytes <= 0:
        return most

    def lacking(count: int) -> bool:
        return marked.weigh(marked.everything & ~kept[count]).size_bytes < excess_bytes

    tried = range(most, least - 1, -1)
    return tried[min(bisect_left(tried, x=True, key=lambda count: not lacking(count)), len(tried) - 1)]


def _order(root: Root) -> tuple[bool, bool, int, str, int]:
    """Return what roots are dropped by: tools first, then projects that are gone, then by their last use."""
    return root.cause != Cause.TOOL, not root.is_gone, root.used, root.name, root.number


def _expired(roots: Sequence[Root], policy: Policy, now: float) -> frozenset[Root]:
    """Return the roots that the policy drops whatever the space, of those that may be dropped."""
    newer: dict[tuple[str, str], int] = {}
    found = set()
    for root in sorted(roots, key=lambda root: -root.number):
        age = newer.get((root.spec, root.variant), 0)
        if root.cause == Cause.GENERATION:
            newer[root.spec, root.variant] = age + 1
        if root.can_be_dropped and _is_expired(root, age, policy, now):
            found.add(root)
    return frozenset(found)


def _is_expired(root: Root, newer: int, policy: Policy, now: float) -> bool:
    if policy.unused_for_s is not None and now - root.used > policy.unused_for_s:
        return True
    if root.cause != Cause.GENERATION:
        return False
    if (root.spec, root.variant, root.number) in policy.drop:
        return True
    return (policy.gone and root.is_gone) or (policy.keep is not None and newer >= policy.keep)
