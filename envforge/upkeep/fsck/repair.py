"""Repairs a store after a check: damage goes aside, leftovers go away, generations get what they lack."""

import time
from collections.abc import Collection, Iterator, Sequence

from attrs import evolve

from envforge import config
from envforge.build.site import Site
from envforge.environment.made import assemble
from envforge.errors import EnvforgeError, IntegrityError
from envforge.progress import Progress
from envforge.sandbox.ids import identity as identities
from envforge.store.layout import Store
from envforge.upkeep.fsck import aside, check, remake
from envforge.upkeep.fsck.check import Wanted, all_layers
from envforge.upkeep.fsck.documents import Documents
from envforge.upkeep.fsck.model import Finding, Kind, Report

_TREES = frozenset((Kind.LAYER, Kind.TREE, Kind.BLOB))


def repair(store: Store, before: Report, *, full: bool, progress: Progress) -> Report:
    """Repair what a check found; return the report of checking it again."""
    started = time.monotonic()
    moved = aside.move(store, before.findings, _environments(store))
    aside.restore_locks(store, before.findings)
    assemble.clear(Site(store, identities.detect(), config.load()))
    notes = [*before.notes, *moved.notes, *_remake(store, before, moved.names, progress)]
    touched = frozenset(one.layer for one in before.findings if one.kind in _TREES)
    after = check.check(store, Wanted(full, touched or frozenset(("",))), progress)
    dangling = [one for one in after.findings if one.kind is Kind.RECORD and one.is_leftover]
    aside.move(store, dangling, {})
    left = tuple(one for one in after.findings if one not in dangling)
    return evolve(
        before,
        findings=left,
        repaired=tuple(_repaired(before.findings, left)),
        notes=tuple(dict.fromkeys(notes)),
        seconds=before.seconds + time.monotonic() - started,
    )


def _repaired(before: Sequence[Finding], left: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the findings that are mended: a layer that is out of the way but still wanted is not."""
    missing = {one.path for one in left if one.kind is Kind.ENVIRONMENT}
    return (one for one in before if one not in left and one.layer not in missing)


def _environments(store: Store) -> dict[str, list[str]]:
    """Return the environments that each layer is part of."""
    documents = Documents(store, all_layers(store))
    documents.check()
    found: dict[str, list[str]] = {}
    for digest, environment in documents.environments.items():
        for one in environment.layers:
            found.setdefault(one.digest, []).append(digest)
    return found


def _remake(store: Store, before: Report, lost: Collection[str], progress: Progress) -> list[str]:
    """Make again what is missing, in each way of holding that something was damaged in."""
    identity = identities.detect()
    ways = {one.held for one in before.damage if one.held} or {identity.held}
    notes = []
    of_archives = {one.layer for one in before.findings if one.kind in {Kind.TREE, Kind.FACTS}} & set(lost)
    for held in sorted(ways):
        try:
            own = identity if held == identity.held else identities.detect(prefer=held)
        except EnvforgeError as error:
            notes.append(f"what is held as {held} is not made again: {error.message}")
            continue
        for need in remake.needs(store, held, of_archives):
            notes += _one(store, own, need, progress)
    return notes


def _one(store: Store, identity: identities.Identity, need: remake.Need, progress: Progress) -> list[str]:
    progress.message(f"making {need.name} again")
    try:
        try:
            problem = remake.remake(store, identity, need, progress)
        except IntegrityError:  # the blob that was damaged is out of the way now: it is fetched again
            problem = remake.remake(store, identity, need, progress)
    except EnvforgeError as error:
        problem = error.message
    return [f"{need.name} is not whole: {problem}"] if problem else []
