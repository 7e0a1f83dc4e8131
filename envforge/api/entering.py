"""`shell` and `run`: prepare the sandbox of an environment, and start a command in it."""

import os
from collections.abc import Mapping, Sequence

from attrs import evolve

from envforge.api import warm
from envforge.api.building import build
from envforge.containers.network import foreground, holders
from envforge.containers.network.listening import Listening, RefusedPortError
from envforge.containers.network.listening import listen as listening_of
from envforge.containers.network.published import Published
from envforge.containers.volumes import named as volumes
from envforge.environment.entering import hints, system_files
from envforge.environment.entering.plan import RunOptions, make_plan
from envforge.environment.projects import consent
from envforge.environment.projects.project import Project
from envforge.progress import Listener, ignore
from envforge.sandbox import cache
from envforge.sandbox.ids import identity as identities
from envforge.sandbox.life import launch
from envforge.sandbox.perform import Started, wait
from envforge.sandbox.plan.compile import Compiled, compile_plan
from envforge.sandbox.plan.downgrade import downgrade
from envforge.sandbox.plan.model import Mount, SandboxPlan
from envforge.sources import registry
from envforge.store import locks
from envforge.store.layout import open_store

__all__ = [
    "Compiled",
    "Listening",
    "Published",
    "RunOptions",
    "Started",
    "enter",
    "listen",
    "prepare",
    "start",
    "wait",
]


def prepare(
    project: Project, options: RunOptions, *, locked: bool = False, listener: Listener = ignore
) -> Compiled:
    """Return the compiled plan of the project's sandbox, after locking and building what is missing.

    Raises ConsentError where the spec wants what nobody has allowed.
    """
    consent.require(project)
    watched = cache.watch((*_local_sources(project), *system_files.watched(project, os.environ)))
    with locks.in_use(open_store(project.store_path)):
        result = build(project, locked=locked, listener=listener)
        plan = downgrade(make_plan(project, result.environment, identities.detect(), options))
        compiled = compile_plan(plan)
        if options.named:
            compiled = compile_plan(_with_named(project, options, plan, compiled))
    if not options.named:
        warm.keep_plan(project, options, compiled, result, watched)
    notes = (*compiled["notes"], *hints.once(compiled, project.directory, os.environ))
    return compiled | {"notes": notes, "warnings": (*compiled["warnings"], *hints.warnings())}


def _with_named(project: Project, options: RunOptions, plan: SandboxPlan, compiled: Compiled) -> SandboxPlan:
    """Return the plan with named volumes; one that is not there is made, and belongs to the project then."""
    mounts = []
    for name, target, read_only in options.named:
        found = volumes.ensure(project.store_path, name, project.spec_path, compiled, identities.detect())
        mounts.append(Mount(found.path, target, read_only, own=True))
    return evolve(plan, mounts=(*plan.mounts, *mounts))


def _local_sources(project: Project) -> tuple[str, ...]:
    return tuple(
        path for source in registry.LOCAL for path in source.watched(project.spec, project.directory)
    )


def enter(
    compiled: Compiled,
    command: Sequence[str],
    *,
    workdir: str | None = None,
    variables: Mapping[str, str] | None = None,
    listening: Listening | None = None,
) -> int:
    """Run a command in the sandbox, by default the spec's shell; return its exit code.

    Without `workdir` it starts in the caller's directory, if that is mounted. `variables` override the plan.
    The ports of `listening` are published meanwhile; it is closed.
    """
    if listening is None or not listening.ports:
        return launch.enter(compiled, command, os.environ, cwd=workdir, extra=variables)

    def entering(plan: Compiled, words: list[str], environment: dict[str, str], cwd: str) -> int:
        return foreground.enter(plan, listening, words, environment, cwd)

    return launch.enter(compiled, command, os.environ, cwd=workdir, extra=variables, entering=entering)


def listen(published: Sequence[Published]) -> Listening:
    """Open the host's sockets of published ports, before anything is built or started.

    Raises ConflictError for a port that is taken, PortError for one that cannot be had.
    """
    try:
        return listening_of(published)
    except RefusedPortError as error:
        raise holders.explained(error) from error


def start(
    compiled: Compiled,
    command: Sequence[str],
    *,
    streams: tuple[int, int, int],
    workdir: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> Started:
    """Start a command without waiting, with these descriptors as stdin, stdout and stderr; from any thread.

    `wait`, called once, returns its exit code. The sandbox ends with the thread that started it.
    """
    return launch.start(compiled, command, os.environ, streams=streams, cwd=workdir, extra=variables)
