"""`du`, `gc` and `root`: where the store's space is, what keeps it, and freeing it.

A `Decision` is data: `marked.freed(dropped)` and `marked.weigh` tell for any choice of roots what would be
freed, without looking at the store again.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from envforge.api import comparing
from envforge.api.comparing import Here
from envforge.errors import AmbiguousError, NotFoundError, UsageError
from envforge.progress import Listener, Progress, ignore
from envforge.sandbox.ids import identity as identities
from envforge.store import locks
from envforge.store.layout import Store
from envforge.upkeep import parts, pins, survey
from envforge.upkeep import usage as using
from envforge.upkeep.freeing import collect as collecting
from envforge.upkeep.freeing.collect import Collected, Decision
from envforge.upkeep.freeing.trash import Restored
from envforge.upkeep.model import Cause, Kind, Marked, Plan, Policy, Root, Size, Tally, Thing
from envforge.upkeep.parts import Layer, Package
from envforge.upkeep.pins import Pin
from envforge.upkeep.usage import Share, Usage, by_root

__all__ = [
    "Cause",
    "Collected",
    "Decision",
    "Kind",
    "Layer",
    "Marked",
    "Package",
    "Pin",
    "Plan",
    "Policy",
    "Restored",
    "Root",
    "Share",
    "Size",
    "Tally",
    "Thing",
    "Usage",
    "by_root",
    "collect",
    "keep",
    "layers",
    "named",
    "packages",
    "preview",
    "release",
    "roots",
    "undo",
    "usage",
]


def usage(store_path: str, *, listener: Listener = ignore) -> Usage:
    """Return where the store's space is. Raises NotFoundError where there is no store."""
    with _reading(store_path) as store:
        return using.usage(store, survey.survey(store, identities.detect(), Progress(listener)))


def layers(store_path: str, marked: Marked) -> tuple[Layer, ...]:
    """Return the space of every layer, the largest first."""
    return parts.layers(Store(store_path), marked)


def packages(store_path: str, marked: Marked) -> tuple[Package, ...]:
    """Return the space of every unpacked archive, the largest first."""
    return parts.packages(Store(store_path), marked)


def preview(store_path: str, policy: Policy | None = None, *, listener: Listener = ignore) -> Decision:
    """Return what a garbage collection would do. Changes nothing. Raises like `usage`."""
    with _reading(store_path) as store:
        return collecting.decide(store, identities.detect(), policy or Policy(), Progress(listener))


def collect(
    store_path: str, policy: Policy | None = None, *, at_once: bool = False, listener: Listener = ignore
) -> Collected:
    """Collect garbage; builds and sandboxes may go on.

    What goes lies in the trash for some hours (`undo`), unless the policy asks for space, or `at_once` is
    given. Raises InUseError where another collection is going on, NotFoundError.
    """
    with _reading(store_path) as store:
        progress = Progress(listener)
        return collecting.collect(store, identities.detect(), policy or Policy(), progress, at_once=at_once)


def undo(store_path: str) -> Restored:
    """Bring back what the last garbage collection took. Raises InUseError, NotFoundError if there is none."""
    with _reading(store_path) as store:
        return collecting.undo(store)


def roots(store_path: str) -> tuple[Root, ...]:
    """Return everything that keeps something in the store."""
    with _reading(store_path) as store:
        return survey.roots_of(store)


def named(store_path: str, names: Collection[str]) -> frozenset[tuple[str, str, int]]:
    """Return the generations of these names, `shop@3`, as `Policy.drop` has them.

    Raises NotFoundError for what is no generation, UsageError for one that has to stay, AmbiguousError for
    one that several projects have.
    """
    known = roots(store_path)
    found = [_generation(name, [root for root in known if root.name == name]) for name in names]
    return frozenset((one.spec, one.variant, one.number) for one in found)


def _generation(name: str, found: Sequence[Root]) -> Root:
    generations = [one for one in found if one.cause == Cause.GENERATION]
    if not generations:
        raise NotFoundError(f"there is no generation {name}", hint="`envforge history` lists a project's")
    if len(generations) > 1:
        specs = "".join(f"\n  {one.spec}" for one in generations)
        raise AmbiguousError(
            f"several projects have a {name}:{specs}", hint="`envforge tui` tells them apart"
        )
    if not generations[0].can_be_dropped:
        raise UsageError(
            f"{name} is the current generation of a project whose spec is there",
            hint="`envforge rollback` makes another one current",
        )
    return generations[0]


def keep(place: Here, word: str, name: str = "") -> Pin:
    """Keep the environment that a word names (`comparing.resolve`) until it is released.

    By default it is called by the beginning of its digest. Raises NotFoundError, AmbiguousError, UsageError.
    """
    digest = comparing.resolve(place, word).environment
    if place.store is None or not digest:
        raise NotFoundError(f"{word} names no environment of the store", hint="envforge ls")
    return pins.add(place.store, name or digest[:12], digest)


def release(store_path: str, name: str) -> None:
    """Keep an environment no longer. Raises NotFoundError."""
    with _reading(store_path) as store:
        pins.remove(store, name)


@contextmanager
def _reading(store_path: str) -> Iterator[Store]:
    with locks.reading(store_path) as store:
        if store is None:
            raise NotFoundError(f"there is no store {store_path} yet", hint="envforge build")
        yield store
