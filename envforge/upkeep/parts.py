"""The space of single layers and unpacked archives."""

from collections.abc import Sequence

from attrs import frozen

from envforge.errors import EnvforgeError
from envforge.lock import file as lock_file
from envforge.sources import registry
from envforge.store import blobs, records
from envforge.store.layout import Store
from envforge.upkeep.model import Cause, Kind, Marked, Size, places, set_of


@frozen
class Layer:
    """A layer's own space."""

    name: str
    """In an environment that has it: `base`; empty where none has."""
    digest: str
    held: str
    """How its owners are held on disk."""
    size: Size
    """Without files that it shares with unpacked archives."""
    roots: int
    """How many roots reach it."""


def layers(store: Store, marked: Marked) -> tuple[Layer, ...]:
    """Return every layer, the largest first."""
    users = _users(marked, Kind.LAYER)
    names = {
        one["digest"]: one["name"]
        for thing in marked.things
        if thing.kind is Kind.ENVIRONMENT
        for one in (records.read(f"{store.path}/{thing.path}") or {"layers": ()})["layers"]
    }
    found = [
        Layer(names.get(one.name, ""), one.name, one.path.split("/")[1], one.size, users[place])
        for place, one in enumerate(marked.things)
        if one.kind is Kind.LAYER
    ]
    return tuple(sorted(found, key=lambda one: (-one.size.size_bytes, one.digest)))


@frozen
class Package:
    """The space of an unpacked archive."""

    name: str
    """Empty where no current lock names it."""
    version: str
    sha256: str
    """Of its archive."""
    size: Size
    """Unpacked."""
    archive: Size
    """Of the archive itself; nothing where the store does not have it any more."""
    roots: int
    """How many roots reach it."""


def packages(store: Store, marked: Marked) -> tuple[Package, ...]:
    """Return every unpacked archive, the largest first. Their names are those in the projects' last locks."""
    named, users = _named(store, marked), _users(marked, Kind.TREE)
    archives = {one.name: one.size for one in marked.things if one.kind is Kind.BLOB}
    found = [
        Package(
            *named.get(one.name, ("", "")),
            one.name,
            one.size,
            archives.get(one.name, Size()),
            users[place],
        )
        for place, one in enumerate(marked.things)
        if one.kind is Kind.TREE
    ]
    return tuple(sorted(found, key=lambda one: (-one.size.size_bytes, one.name, one.sha256)))


def _named(store: Store, marked: Marked) -> dict[str, tuple[str, str]]:
    """Return name and version of each archive, by SHA-256, that a current generation's lock pins."""
    locks = {root.keeps[-1] for root in marked.roots if root.cause == Cause.GENERATION and root.is_current}
    found = {}
    for sha256 in locks:
        try:
            lock = lock_file.loads(blobs.read(store, sha256), store.blob(sha256))
        except (EnvforgeError, FileNotFoundError):
            continue  # of another release, or damaged: its packages have no names then
        for environment in lock.environments.values():
            for part in environment.parts.values():
                for source, pinned in part.pinned.items():
                    for one in registry.source(source).packages(pinned):
                        found[one.sha256] = (one.name, one.version)
    return found


def _users(marked: Marked, kind: Kind) -> Sequence[int]:
    """Return how many roots reach each thing of a kind, by its place; 0 for things of other kinds."""
    count = len(marked.things)
    wanted = set_of((at for at, one in enumerate(marked.things) if one.kind is kind), count)
    users = [0] * count
    for reached in marked.reached:
        for place in places(reached & wanted):
            users[place] += 1
    return users
