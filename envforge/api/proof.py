"""`verify`, `ci`, `fsck`: check that the store and a second build hold the same bytes; the whole store."""

import os

from attrs import frozen

from envforge.api import locking
from envforge.api.building import BuildResult, build
from envforge.environment.made.verify import Difference, read_layers, rebuild_apart
from envforge.environment.projects.project import Project
from envforge.errors import StoreError
from envforge.progress import Listener, Progress, ignore
from envforge.sandbox.ids import identity as identities
from envforge.store import durability, locks
from envforge.store.layout import open_store
from envforge.upkeep.fsck import check as checking
from envforge.upkeep.fsck.check import Wanted
from envforge.upkeep.fsck.model import Counts, Finding, Kind, Report

__all__ = ["Counts", "Difference", "Finding", "Kind", "Report", "VerifyResult", "check", "fsck", "verify"]


@frozen
class VerifyResult:
    """Whether the disk holds what the digests say, and a second build came out the same."""

    identical: bool
    environment: str
    differences: tuple[Difference, ...]


def verify(project: Project, *, listener: Listener = ignore) -> VerifyResult:
    """Build the environment, rehash it from the disk, build it again in a store of its own, and compare."""
    with locks.in_use(open_store(project.store_path)):
        return _verified(project, build(project, listener=listener), listener)


def check(
    project: Project, *, strict: bool = False, listener: Listener = ignore
) -> tuple[BuildResult, VerifyResult]:
    """Build strictly from the lock, then rehash all of it from the disk; `strict` builds it again too."""
    with locks.in_use(open_store(project.store_path)):
        result = build(project, locked=True, listener=listener)
        return result, _verified(project, result, listener, rebuilt=strict)


def _verified(
    project: Project, result: BuildResult, listener: Listener, *, rebuilt: bool = True
) -> VerifyResult:
    identity, progress = identities.detect(), Progress(listener)
    found = read_layers(project, identity, result.layers, progress)
    known = locking.written(project)
    if rebuilt and known is not None:
        found += rebuild_apart(project, known, identity, result.layers, progress)
    return VerifyResult(not found, result.environment, found)


def fsck(store_path: str, *, full: bool = False, repair: bool = False, listener: Listener = ignore) -> Report:
    """Check every tree, layer, blob and document of a store; `full` reads every byte.

    With `repair`, what is damaged is moved aside, what is left over is removed, and what a generation needs
    is made again from its lock. Raises StoreError where there is no store, or one of a newer format.
    """
    if not os.path.exists(f"{store_path}/format"):
        raise StoreError(f"{store_path} is not a store", hint="name it with --store DIR")
    store = open_store(store_path)
    progress = Progress(listener)
    with locks.in_use(store):
        if repair:
            durability.recover(store)
        report = checking.check(store, Wanted(full=full), progress)
        if not repair or not report.findings:
            return report
        from envforge.upkeep.fsck import repair as repairing  # noqa: PLC0415 - only where something is wrong

        return repairing.repair(store, report, full=full, progress=progress)
