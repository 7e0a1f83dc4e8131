"""The trash of a garbage collection, from which `gc --undo` brings everything back for some hours.

    trash/gc-<nanoseconds>-<random>/    flocked while things are moved into it or out of it
        layers/<held>/<digest>      what was taken, by its path in the store
        environments/<digest>.json  …
        roots/<project>.json        the generations that were dropped

What lies there says by its path where it came from, so a collection that is killed has lost nothing.
Generations are written there first and then dropped, and come back last: none ever names what is not in its
place.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from attrs import frozen

from envforge.environment.projects import dropping
from envforge.store import records
from envforge.store.layout import Store
from envforge.store.staging import COLLECTED, collected_at
from envforge.upkeep.model import Kind, Thing

_GROUPED: Final = (Kind.LAYER, Kind.TREE, Kind.BLOB)
"""Their things lie one folder deeper."""


@frozen
class Trash:
    """One collection's trash."""

    store: Store
    path: str

    def take(self, thing: Thing) -> bool:
        """Move a thing out of the store; return whether it was still there."""
        target = f"{self.path}/{thing.path}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if thing.kind is Kind.ENVIRONMENT:
            with suppress(FileNotFoundError):
                os.rename(self.store.environment_lock(thing.name), f"{target.removesuffix('.json')}.lock")
        try:
            os.rename(f"{self.store.path}/{thing.path}", target)
        except FileNotFoundError:
            return False
        return True

    def note(self, document: dropping.Document) -> None:
        """Keep generations that are about to be dropped."""
        os.makedirs(f"{self.path}/roots", exist_ok=True)
        values = {name: value for name, value in document.items() if name != "format"}
        records.write(self.store, f"{self.path}/roots/{secrets.token_hex(8)}.json", values)


@frozen
class Restored:
    """What an undone collection brought back."""

    things: int
    generations: int


@contextmanager
def filling(store: Store) -> Iterator[Trash]:
    """Yield a new, empty trash; it is gone afterwards if it is empty still."""
    path = f"{store.path}/trash/{COLLECTED}{_now_ns(store)}-{secrets.token_hex(6)}"
    os.mkdir(path, 0o700)
    with _locked(path):
        try:
            yield Trash(store, path)
        finally:
            with suppress(OSError):
                os.rmdir(path)


def _now_ns(store: Store) -> int:
    """Return the time, but always one after the newest collection's: a clock may be set back."""
    newest = next(iter(collected(store)), "")
    return max(time.time_ns(), (collected_at(newest) or 0) + 1)


def collected(store: Store) -> list[str]:
    """Return the names of all collections' trashes, the newest first."""
    found = [name for name in os.listdir(f"{store.path}/trash") if collected_at(name) is not None]
    return sorted(found, key=lambda name: (collected_at(name) or 0, name), reverse=True)


def restore(store: Store, name: str) -> Restored:
    """Bring back what lies in a trash, but for what the store has again; the trash goes with the rest.

    Call it where nothing is collected meanwhile. What names others comes back last.
    """
    path = f"{store.path}/trash/{name}"
    with _locked(path):
        things = sum(
            _move_back(store, path, below) for kind in reversed(Kind) for below in _things_in(path, kind)
        )
        known = sum(dropping.bring_back(store, document) for _, document in _dropped(path))
        os.rename(path, store.new_trash())
    return Restored(things, known)


def _things_in(path: str, kind: Kind) -> Iterator[str]:
    """Yield the paths, below the trash, of a kind's things; an environment's lock before the environment."""
    for name in sorted(_names(f"{path}/{kind}"), reverse=True):
        if kind in _GROUPED:
            yield from (f"{kind}/{name}/{one}" for one in _names(f"{path}/{kind}/{name}"))
        else:
            yield f"{kind}/{name}"


def _move_back(store: Store, path: str, below: str) -> bool:
    target = f"{store.path}/{below}"
    if os.path.lexists(target):
        return False  # it was made or fetched again
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.rename(f"{path}/{below}", target)
    return not below.endswith(".lock")


def _dropped(path: str) -> Iterator[tuple[str, dropping.Document]]:
    return records.read_all(f"{path}/roots") if os.path.isdir(f"{path}/roots") else iter(())


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []


@contextmanager
def _locked(path: str) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
