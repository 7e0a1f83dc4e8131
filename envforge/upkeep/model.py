"""What the store has, what keeps it, and what may go, as plain values.

things    what lies in the store by a name: environments, records, layers, trees, facts, blobs, tools
roots     what keeps things: generations, what people have named, running builds, sandboxes, …
marked    both, with what each root reaches: one bit a thing, so that any choice of roots is quickly summed
plan      which roots a garbage collection drops, and which things go with them
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final

from attrs import field, frozen


class Kind(StrEnum):
    """What a thing is. In the order in which things go: what names others goes first."""

    ENVIRONMENT = "environments"
    RECORD = "records"
    LAYER = "layers"
    TREE = "trees"
    FACTS = "facts"
    BLOB = "blobs"
    TOOL = "tools"


class Cause(StrEnum):
    """Why a root keeps things."""

    GENERATION = "generation"
    """A project had, or has, this environment."""
    PIN = "pin"
    """Somebody said so: `envforge root add`."""
    BUILD = "build"
    """A build is running, and relies on it."""
    SANDBOX = "sandbox"
    """Somebody is inside."""
    CONTAINER = "container"
    """A container is made over it, and starts again over nothing else."""
    UPPER = "upper"
    """Changes that were kept lie over it."""
    TOOL = "tool"
    """Indexes and tools of the resolver, used lately."""


@frozen
class Size:
    """Space on the disk, as du(1) counts it."""

    size_bytes: int = 0
    """Of the blocks, so more than the files' lengths, or less."""
    inodes: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(self.size_bytes + other.size_bytes, self.inodes + other.inodes)

    def __sub__(self, other: "Size") -> "Size":
        return Size(self.size_bytes - other.size_bytes, self.inodes - other.inodes)


@frozen
class Thing:
    """Something in the store that is kept or goes as a whole."""

    kind: Kind
    name: str
    """By which roots and records know it: a digest, a key, a SHA-256, the name of a tool."""
    path: str
    """Below the store."""
    size: Size = Size()
    """A layer's has no files that it shares with trees: those are the trees'."""


@frozen
class Root:
    """What keeps things in the store."""

    cause: Cause
    name: str
    """For people: `shop@3`, `shop:db@3`, the name of a pin, an environment's digest."""
    keeps: tuple[str, ...]
    """Names of things. What those name in turn is kept as well."""
    environment: str = ""
    """The digest of the environment that it is about, if any."""
    spec: str = ""
    """Of a generation: the real path of its project's spec."""
    variant: str = ""
    """Of a generation: the spec's environment."""
    number: int = 0
    """Of a generation."""
    is_current: bool = False
    """Of a generation: the newest one."""
    is_gone: bool = False
    """Of a generation: its project's spec does not exist any more."""
    used: int = 0
    """Seconds since 1970: when it was last used, 0 where that is not known."""

    @property
    def can_be_dropped(self) -> bool:
        """Say whether a garbage collection may drop it: never what a person has named, or a process uses."""
        if self.cause == Cause.GENERATION:
            return self.is_gone or not self.is_current
        return self.cause == Cause.TOOL


@frozen
class Tally:
    """How many things, and how much space."""

    count: int = 0
    size: Size = Size()

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.count + other.count, self.size + other.size)


_SOME: Final = re.compile(rb"[^\0]")
_BITS: Final = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))

Things = int
"""A set of things: the bit at a thing's place in `Marked.things` says that it is in it."""


@frozen
class Marked:
    """The store's things and roots, and which things each root reaches."""

    things: tuple[Thing, ...]
    """In the order of kinds, by name."""
    roots: tuple[Root, ...]
    reached: tuple[Things, ...]
    """By root."""
    _weights: dict[tuple[int, int], tuple[int, int]] = field(factory=dict, init=False, eq=False, repr=False)
    """Of eight things each, by the place of their byte in a set and its value."""

    def reached_by(self, roots: Collection[Root]) -> Things:
        """Return all that any of these roots reaches."""
        chosen = frozenset(roots)
        return union(
            reached for root, reached in zip(self.roots, self.reached, strict=True) if root in chosen
        )

    def freed(self, dropped: Collection[Root] = ()) -> Things:
        """Return what no root reaches but these, and what none reaches at all."""
        gone = frozenset(dropped)
        kept = union(one for root, one in zip(self.roots, self.reached, strict=True) if root not in gone)
        return self.everything & ~kept

    @property
    def everything(self) -> Things:
        """Return the set of all things."""
        return (1 << len(self.things)) - 1

    def chosen(self, things: Things) -> Iterator[Thing]:
        """Yield the things of a set."""
        return (self.things[place] for place in places(things))

    def tally(self, things: Things) -> dict[Kind, Tally]:
        """Return how much each kind of things in a set is; kinds that are not in it are left out."""
        count, size_bytes, inodes = (dict.fromkeys(Kind, 0) for _ in range(3))
        for one in self.chosen(things):
            count[one.kind] += 1
            size_bytes[one.kind] += one.size.size_bytes
            inodes[one.kind] += one.size.inodes
        return {
            kind: Tally(count[kind], Size(size_bytes[kind], inodes[kind])) for kind in Kind if count[kind]
        }

    def weigh(self, things: Things) -> Size:
        """Return the space that a set of things takes."""
        size_bytes = inodes = 0
        data, known = things.to_bytes(things.bit_length() // 8 + 1, "little"), self._weights
        for found in _SOME.finditer(data):
            at = found.start()
            weight = known.get((at, data[at])) or self._weight(at, data[at])
            size_bytes += weight[0]
            inodes += weight[1]
        return Size(size_bytes, inodes)

    def _weight(self, at: int, byte: int) -> tuple[int, int]:
        """Return bytes and inodes of those of eight things that one byte of a set has."""
        sizes = [self.things[8 * at + bit].size for bit in _BITS[byte]]
        weight = sum(one.size_bytes for one in sizes), sum(one.inodes for one in sizes)
        self._weights[at, byte] = weight
        return weight


def union(sets: Iterable[Things]) -> Things:
    """Return what is in any of the sets."""
    found = 0
    for one in sets:
        found |= one
    return found


def places(things: Things) -> Iterator[int]:
    """Yield the places of a set's things, in their order."""
    data = things.to_bytes(things.bit_length() // 8 + 1, "little")
    found = ((one.start(), data[one.start()]) for one in _SOME.finditer(data))
    return (8 * at + bit for at, byte in found for bit in _BITS[byte])


def set_of(places: Iterable[int], count: int) -> Things:
    """Return the set of the things at these places, of `count` things."""
    flags = bytearray(count // 8 + 1)
    for place in places:
        flags[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(flags, "little")


@frozen
class Policy:
    """Which generations a garbage collection drops, besides sweeping what no root reaches."""

    keep: int | None = None
    """How many generations of each environment stay."""
    unused_for_s: int | None = None
    """Drop what was not used for so long."""
    gone: bool = False
    """Drop projects whose spec does not exist any more."""
    drop: frozenset[tuple[str, str, int]] = frozenset()
    """Drop these generations: spec, the spec's environment, number. Those that have to stay do."""
    max_size_bytes: int | None = None
    """Drop, the least recently used first, until the store is no larger."""
    min_free_bytes: int | None = None
    """Likewise, until so much is free on its file system."""


@frozen
class Plan:
    """What a garbage collection is going to do."""

    marked: Marked
    dropped: tuple[Root, ...]
    """In the order in which they go."""
    by_root: tuple[Size, ...]
    """By dropped root: what goes with it that did not go with those before."""
    garbage: Things

    @property
    def kept(self) -> tuple[Root, ...]:
        """Return the roots that stay."""
        gone = frozenset(self.dropped)
        return tuple(one for one in self.marked.roots if one not in gone)

    @property
    def by_kind(self) -> Mapping[Kind, Tally]:
        """Return what goes, by kind."""
        return self.marked.tally(self.garbage)

    @property
    def size(self) -> Size:
        """Return the space that is freed."""
        return self.marked.weigh(self.garbage)

    @property
    def gone(self) -> tuple[Root, ...]:
        """Return the current generations of projects whose spec does not exist, and that stay."""
        return tuple(one for one in self.kept if one.is_gone and one.is_current)
