"""`verify` and `ci`: check that the store and a second build hold the same bytes."""

from attrs import frozen

from envforge.api import locking
from envforge.api.building import BuildResult, build
from envforge.environment.made.verify import Difference, read_layers, rebuild_apart
from envforge.environment.projects.project import Project
from envforge.progress import Listener, Progress, ignore
from envforge.sandbox.ids import identity as identities
from envforge.store import locks
from envforge.store.layout import open_store

__all__ = ["Difference", "VerifyResult", "check", "verify"]


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
