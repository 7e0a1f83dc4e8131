"""Checks a whole store: trees and layers in confined workers on all processors, the rest here.

Trees come before layers: a farm's files are those of trees, so the full way has read nearly all of them then.
Nothing is locked, as what is published never changes; what a garbage collection removes meanwhile is no
damage, so documents that seem wrong are looked at twice.
"""

import base64
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from attrs import evolve, frozen

from envforge.build.workers import Cell, Workers, ready
from envforge.digest import is_sha256
from envforge.errors import CapabilityError
from envforge.progress import Progress
from envforge.sandbox.confined.view import View
from envforge.sandbox.ids import identity as identities
from envforge.sandbox.ids.identity import Identity
from envforge.sources import registry
from envforge.store.layout import Store
from envforge.upkeep.fsck import loose, trees
from envforge.upkeep.fsck.documents import Documents
from envforge.upkeep.fsck.model import Counts, Finding, Kind, Report
from envforge.upkeep.fsck.trees import Target

_BATCH_BYTES: Final = 1 << 19
"""Of listings, or a thousandth of the bytes of blobs: what one job checks."""
_SHOWN: Final = ("trees", "layers", "facts", "blobs")
_KINDS: Final = {"trees": Kind.TREE, "layers": Kind.LAYER}


T = TypeVar("T")


@frozen
class Wanted:
    """Which part of a store is checked, and how."""

    full: bool = False
    """Read every file."""
    only: frozenset[str] = frozenset()
    """Names of the trees, layers and blobs to check; all where there are none."""

    def has(self, name: str) -> bool:
        """Say whether a tree, layer or blob is to be checked."""
        return not self.only or name in self.only


def check(store: Store, wanted: Wanted, progress: Progress) -> Report:
    """Return what is wrong in the store."""
    started = time.monotonic()
    registry.reads_facts(b"")  # now: confined workers have no modules to load
    counts, findings, notes = Counts(), list[Finding](), list[str]()
    for held in _ways(store):
        try:
            identity = identities.detect(prefer=held)
        except CapabilityError as error:
            notes.append(f"what is held as {held} was not checked: {error.message}")
            continue
        more, found = _check_held(store, held, identity, wanted, progress)
        counts += more
        findings += found
    more, found = _check_blobs(store, wanted, progress)
    documents = _checked_twice(lambda: [*loose.check(store), *Documents(store, all_layers(store)).check()])
    findings += [*found, *documents]
    return Report(counts + more, tuple(findings), notes=tuple(notes), seconds=time.monotonic() - started)


def all_layers(store: Store) -> frozenset[str]:
    """Return the digests of all layers in the store, in whichever ownership mode."""
    top = f"{store.path}/layers"
    return frozenset(name for held in os.listdir(top) for name in os.listdir(f"{top}/{held}"))


def _checked_twice(look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    first = list(look())
    if not first:
        return []
    again = set(look())
    return [one for one in first if one in again]


def _ways(store: Store) -> list[str]:
    return sorted({held for folder in ("trees", "layers") for held in os.listdir(f"{store.path}/{folder}")})


def _check_held(
    store: Store, held: str, identity: Identity, wanted: Wanted, progress: Progress
) -> tuple[Counts, list[Finding]]:
    """Check all trees, then all layers, that are held in one way."""
    name = secrets.token_hex(8)
    counts, findings = Counts(), list[Finding]()
    trees.verified[name] = {}
    try:
        for folder, unit in (("trees", "packages"), ("layers", "layers")):
            targets = [one for one in _targets(store, folder, held) if wanted.has(one[2])]
            progress.stage(f"checking {folder}", total_items=len(targets), unit=unit)
            for target, answer in _answers(store, identity, name, targets, wanted):
                _learn(trees.verified[name], answer)
                findings += _findings(target, answer)
                counts += _counted(folder, answer)
                progress.item(target[2][:12])
    finally:
        del trees.verified[name]
    return counts, findings


def _targets(store: Store, folder: str, held: str) -> list[Target]:
    """Return all trees or layers by name: small and large ones mixed, so that the time left can be told."""
    return [
        (folder, held, name) for name in sorted(_listed(f"{store.path}/{folder}/{held}")) if is_sha256(name)
    ]


def _listed(path: str) -> list[str]:
    return os.listdir(path) if os.path.isdir(path) else []


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _answers(
    store: Store, identity: Identity, name: str, targets: Sequence[Target], wanted: Wanted
) -> Iterator[tuple[Target, dict[str, Any]]]:
    """Have trees or layers checked; yield each with the answer of its job."""
    by_size = {one: _size(f"{store.path}/{'/'.join(one)}/listing") for one in targets}
    batches = list(batched(targets, [by_size[one] for one in targets]))
    with _workers(store, identity) as workers:
        for batch in batches:
            workers.submit(batch, trees.check_trees, store, name, batch, wanted.full)
        while workers.channels:
            for done in workers.finished(ready(workers)):
                yield from zip(done.tag, done.value, strict=True)


def _workers(store: Store, identity: Identity) -> Workers:
    shown = [f"{store.path}/{folder}" for folder in _SHOWN]
    view = lambda own: View.of(readable=shown, writable=[own])  # noqa: E731
    return Workers(os.cpu_count() or 1, Cell(store, identity, view))


def batched(items: Sequence[T], sizes: Sequence[int]) -> Iterator[tuple[T, ...]]:
    """Yield the items in groups that are about as large as one another."""
    group: list[T] = []
    total = 0
    for item, size in zip(items, sizes, strict=True):
        group.append(item)
        total += size
        if total >= _BATCH_BYTES:
            yield tuple(group)
            group, total = [], 0
    if group:
        yield tuple(group)


def _learn(verified: dict[int, bytes], answer: dict[str, Any]) -> None:
    if answer["inodes"]:
        verified.update(trees.INODE.iter_unpack(base64.b64decode(answer["inodes"])))


def _findings(target: Target, answer: dict[str, Any]) -> Iterator[Finding]:
    folder, held, name = target
    for path, problem in answer["found"]:
        yield Finding(_KINDS[folder], name, str(path), str(problem), held)
    if answer["more"]:
        yield Finding(_KINDS[folder], name, "/", f"{int(answer['more'])} further paths are damaged", held)


def _counted(folder: str, answer: dict[str, Any]) -> Counts:
    counts = Counts(files=int(answer["files"]), read_bytes=int(answer["read_bytes"]))
    return evolve(counts, trees=1) if folder == "trees" else evolve(counts, layers=1)


def _check_blobs(store: Store, wanted: Wanted, progress: Progress) -> tuple[Counts, list[Finding]]:
    """Count the blobs; read them where everything is to be read."""
    names = [name for name in loose.named_blobs(store) if wanted.has(name)]
    if not wanted.full or not names:
        return Counts(blobs=len(names)), []
    sizes = {name: _size(store.blob(name)) for name in names}
    progress.stage("reading blobs", total_items=len(names), unit="blobs")
    findings = []
    with _workers(store, identities.detect()) as workers:
        for batch in batched(names, [sizes[name] // 64 + 512 for name in names]):
            workers.submit(batch, trees.check_blobs, store, batch)
        while workers.channels:
            for done in workers.finished(ready(workers)):
                findings += [Finding(Kind.BLOB, str(name), "", str(problem)) for name, problem in done.value]
                for name in done.tag:
                    progress.item(name[:12])
    return Counts(blobs=len(names), read_bytes=sum(sizes.values())), findings
