"""`build`: locks where that is needed, and builds the missing layers of an environment."""

from attrs import evolve

from envforge.api import locking
from envforge.build.built import Built
from envforge.environment.made import assemble
from envforge.environment.made.assemble import BuildOptions, BuildResult
from envforge.environment.projects import consent
from envforge.environment.projects.project import Project
from envforge.lock import file as lock_file
from envforge.progress import Listener, Progress, ignore
from envforge.sandbox.ids import identity as identities
from envforge.store import locks
from envforge.store.layout import open_store

__all__ = ["BuildResult", "Built", "build"]


def build(
    project: Project,
    *,
    locked: bool = False,
    frozen: bool = False,
    rebuild: bool = False,
    accept: bool = False,
    workers: int | None = None,
    shell_on_failure: bool = False,
    listener: Listener = ignore,
) -> BuildResult:
    """Build the missing layers of the project's environment, locking first where that is needed.

    `locked` raises LockStaleError for a stale lock and OutputError for any digest other than the lock's.
    `frozen` skips the check for staleness. `rebuild` builds every layer again. Without `accept`, other
    digests for the same packages raise OutputError too. `shell_on_failure` takes over the process's terminal:
    for the command line only.
    """
    consent.require(project, consent.BUILDING)
    known = locking.ready(project, locked=locked, frozen=frozen, listener=listener)
    consent.require_lock(project, known)
    if workers:
        project = evolve(project, config=project.config._replace(workers=workers))
    wanted = BuildOptions(anew=rebuild, check_outputs=locked, enter_failed=shell_on_failure, accept=accept)
    with locks.in_use(open_store(project.store_path)):
        result, outcome = assemble.assemble(project, known, identities.detect(), wanted, Progress(listener))
    if outcome != known and not locked and not frozen:
        lock_file.write(project.lock_path, outcome)
    if project.config.gc and not all(layer.reused for layer in result.layers):
        from envforge.upkeep.freeing import background  # noqa: PLC0415 - only where it is wanted

        background.start(project.store_path, project.config.gc)
    return evolve(result, name=project.label)
