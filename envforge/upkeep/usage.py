"""Where the store's space is: every file once, so that the sums add up to what du(1) says of it."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from attrs import field, frozen

from envforge.store.layout import Store
from envforge.upkeep.model import Cause, Kind, Marked, Root, Size, Tally, Things, union
from envforge.upkeep.sizes import PASSING
from envforge.upkeep.survey import Survey
from envforge.upkeep.things import size_of

OTHER = "other"


@frozen
class Share:
    """What some roots take together: one root, or all generations of an environment."""

    name: str
    environment: str
    """Digest of the newest one, if any."""
    roots: tuple[Root, ...]
    size: Size
    """Of all that they reach."""
    exclusive: Size
    """Of what nothing else reaches: what is freed when they go."""

    @property
    def shared(self) -> Size:
        """Return the space of what others reach too."""
        return self.size - self.exclusive

    @property
    def used(self) -> int:
        """Return when it was last used, seconds since 1970."""
        return max(root.used for root in self.roots)


@frozen
class Usage:
    """The space of a store."""

    folders: Mapping[str, Tally]
    """By kind of things, by passing folder, and `other`. They add up to `total`."""
    garbage: Size
    """What a garbage collection would free."""
    environments: tuple[Share, ...]
    """Each with all of its generations; then what else keeps things."""
    marked: Marked = field(repr=False)

    @property
    def total(self) -> Size:
        """Return the space of the whole store."""
        return sum((one.size for one in self.folders.values()), Size())


def usage(store: Store, survey: Survey) -> Usage:
    """Return where the space is."""
    marked = survey.marked
    tallies = marked.tally(marked.everything)
    folders: dict[str, Tally] = {kind: tallies.get(kind, Tally()) for kind in Kind}
    for name, size in survey.passing.items():
        folders[name] = Tally(_count(f"{store.path}/{name}"), size)
    rest = list(_rest(store, marked))
    folders[OTHER] = Tally(len(rest), sum(rest, Size()))
    return Usage(folders, marked.weigh(marked.freed()), by_environment(marked), marked)


def by_environment(marked: Marked) -> tuple[Share, ...]:
    """Return the share of each project's environment, of each pin, and of whatever else keeps something."""
    groups: dict[tuple[str, str], list[int]] = {}
    for place, root in enumerate(marked.roots):
        name = root.name.rpartition("@")[0] if root.cause == Cause.GENERATION else root.name
        groups.setdefault((root.cause if root.cause != Cause.GENERATION else root.spec, name), []).append(
            place
        )
    return _shares(marked, [(name, places) for (_, name), places in groups.items()])


def by_root(marked: Marked) -> tuple[Share, ...]:
    """Return the share of each root."""
    return _shares(marked, [(root.name, [place]) for place, root in enumerate(marked.roots)])


def _shares(marked: Marked, groups: Sequence[tuple[str, Sequence[int]]]) -> tuple[Share, ...]:
    reached = [union(marked.reached[place] for place in places) for _, places in groups]
    shares = []
    for (name, places), whole, own in zip(groups, reached, exclusive(reached), strict=True):
        roots = tuple(marked.roots[place] for place in places)
        shares.append(Share(name, roots[-1].environment, roots, marked.weigh(whole), marked.weigh(own)))
    return tuple(shares)


def exclusive(sets: Sequence[Things]) -> Iterable[Things]:
    """Return of each set what is in no other one."""
    once = several = 0
    for one in sets:
        several |= once & one
        once |= one
    return (one & ~several for one in sets)


def total(store: Store, survey: Survey) -> Size:
    """Return the space of the whole store, without saying whose it is."""
    marked = survey.marked
    whole = sum(survey.passing.values(), marked.weigh(marked.everything))
    return sum(_rest(store, marked), whole)


def _rest(store: Store, marked: Marked) -> Iterator[Size]:
    """Yield the space of each file and directory that is neither a thing nor in a passing folder."""
    known = {f"{store.path}/{one.path}" for one in marked.things}
    known |= {
        f"{store.path}/environments/{one.name}.lock" for one in marked.things if one.kind is Kind.ENVIRONMENT
    }
    known |= {f"{store.path}/{folder}" for folder in PASSING}
    waiting = [store.path]
    while waiting:
        path = waiting.pop()
        with suppress(FileNotFoundError):
            status = os.lstat(path)
            yield size_of(status)
            if stat.S_ISDIR(status.st_mode):
                waiting += [f"{path}/{name}" for name in os.listdir(path) if f"{path}/{name}" not in known]


def _count(path: str) -> int:
    try:
        return len(os.listdir(path))
    except FileNotFoundError:
        return 0
