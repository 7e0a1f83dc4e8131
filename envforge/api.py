"""What the command line and the TUI may call: lock() build() enter() describe() …, and their values."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence

from attrs import evolve, frozen

from envforge import machine as architecture
from envforge.build.layer import Built as BuiltLayer
from envforge.environment import assemble, consent, generations, hints, inspect, ownership, system_files
from envforge.environment.assemble import BuildResult, Wanted
from envforge.environment.inspect import EnvironmentDetails, EnvironmentInfo
from envforge.environment.plan import RunOptions, make_plan
from envforge.environment.project import Project, open_project
from envforge.environment.verify import Difference, read_layers, rebuild_apart
from envforge.errors import LockStaleError, StoreError
from envforge.lock import file as lock_file
from envforge.lock.changes import Change, changes
from envforge.lock.model import Lock
from envforge.lock.request import request_of, stale_parts
from envforge.progress import Progress
from envforge.run_options import plan_words
from envforge.sandbox import cache, entry
from envforge.sandbox import identity as identities
from envforge.sandbox.confine import View, call_confined
from envforge.sandbox.plan import Compiled, compile_plan
from envforge.sandbox.settle import settle
from envforge.spec import parse as spec_parse
from envforge.store import durability, locks
from envforge.store.layout import LOCK_NAME, Store, open_store
from envforge.store.staging import empty_tree

__all__ = [
    "BuildResult",
    "BuiltLayer",
    "Change",
    "Difference",
    "EnvironmentDetails",
    "EnvironmentInfo",
    "LockResult",
    "Project",
    "RunOptions",
    "VerifyResult",
    "allow",
    "build",
    "check",
    "describe",
    "destroy_store",
    "enter",
    "environments",
    "keep_answer",
    "lock",
    "open_project",
    "prepare",
    "users",
    "verify",
]

environments = inspect.environments
describe = inspect.describe
users = inspect.users


@frozen
class LockResult:
    """What locking gave."""

    lock: Lock
    changes: tuple[Change, ...]
    """Packages whose version changed, came or went."""
    written: bool


@frozen
class VerifyResult:
    """Whether the disk holds what the digests say, and a second build came out the same."""

    identical: bool
    environment: str
    differences: tuple[Difference, ...]


def lock(
    project: Project,
    *,
    upgrade: bool = False,
    upgrade_packages: Collection[str] = (),
    dry_run: bool = False,
    check: bool = False,
    before_writing: Callable[[], None] = lambda: None,
    progress: Progress,
) -> LockResult:
    """Pin what the project's spec asks for; keep what is pinned and still fits.

    `before_writing` is called once the new lock is known, right before it is written.
    `check` changes nothing and raises LockStaleError where the lock is missing or does not fit. Raises
    ResolveError, NetworkError, SignatureError, LockError.
    """
    previous = _read(project)
    request = request_of(project.spec)
    stale = stale_parts(previous, request) if previous else ("lock",)
    if check:
        return LockResult(_fresh(project, previous, stale), (), written=False)
    if previous and not stale and not upgrade and not upgrade_packages:
        return LockResult(previous, (), written=False)
    consent.require(project, consent.LOCKING)
    from envforge.lock.resolve import resolve  # noqa: PLC0415 - not where nothing is to be resolved

    store = open_store(project.store_path)
    with locks.in_use(store):
        durability.recover(store)
        found = resolve(
            store,
            request,
            architecture=architecture.native(),
            previous=previous,
            directory=project.directory,
            config=project.config,
            upgrade=upgrade,
            upgrade_packages=upgrade_packages,
            progress=progress,
        )
    changed = found != previous and not dry_run
    if changed:
        before_writing()
        lock_file.write(project.lock_path, found)
    return LockResult(found, changes(previous, found), written=changed)


def build(
    project: Project,
    *,
    locked: bool = False,
    frozen: bool = False,
    rebuild: bool = False,
    accept: bool = False,
    workers: int | None = None,
    shell_on_failure: bool = False,
    progress: Progress,
) -> BuildResult:
    """Build the project's environment as far as it is missing, locking first where that is needed.

    `locked` raises LockStaleError for a stale lock and OutputError for any digest other than the lock's;
    `frozen` does not look whether the lock is stale; `rebuild` makes every layer again. Other digests for the
    same packages are an OutputError too, unless they are to be taken: `accept`.
    """
    consent.require(project, consent.BUILDING)
    known = _ready_lock(project, locked=locked, frozen=frozen, progress=progress)
    consent.require_lock(project, known)
    if workers:
        project = evolve(project, config=evolve(project.config, workers=workers))
    wanted = Wanted(anew=rebuild, check_outputs=locked, enter_failed=shell_on_failure, accept=accept)
    with locks.in_use(open_store(project.store_path)):
        result, outcome = assemble.assemble(project, known, identities.detect(), wanted, progress)
    if outcome != known and not locked and not frozen:
        lock_file.write(project.lock_path, outcome)
    return result


def prepare(project: Project, options: RunOptions, *, locked: bool = False, progress: Progress) -> Compiled:
    """Return the plan of the project's sandbox, after locking and building what is missing.

    Raises ConsentError where the spec wants what nobody has allowed.
    """
    consent.require(project)
    watched = cache.watch((*_local_sources(project), *system_files.watched(project, os.environ)))
    with locks.in_use(open_store(project.store_path)):
        result = build(project, locked=locked, progress=progress)
        plan = settle(make_plan(project, result.environment, identities.detect(), options))
    compiled = compile_plan(plan)
    _keep(project, options, compiled, result, watched)
    notes = (*compiled["notes"], *hints.once(compiled, project.directory, os.environ))
    return compiled | {"notes": notes, "warnings": (*compiled["warnings"], *hints.warnings())}


def _keep(
    project: Project,
    options: RunOptions,
    compiled: Compiled,
    result: BuildResult,
    watched: "cache.Watched",
) -> None:
    """Keep the plan for the warm path, if spec and lock are still those that it was made from.

    The plan of an allowed reach only: an edited spec has another key, goes the long way, and asks.
    """
    cache.make_secret()
    words = plan_words(options.volumes, options.user)
    key = cache.project_key(project.spec_path, project.lock_path, project.store_path, words)
    part = assemble.architecture_part(lock_file.read(project.lock_path))
    same_lock = part.outputs is not None and part.outputs.environment == result.environment
    if key is not None and same_lock and spec_parse.load(project.spec_path) == project.spec:
        owners = ownership.check(project.found)
        links = tuple((source, place) for source, place in project.places.items() if source != place)
        cache.store_plan(key, {**compiled, "owners": owners, "links": links}, watched)


def keep_answer(project: Project, command: str, said: str, result: BuildResult | None = None) -> None:
    """Keep what a command that had nothing to do has said, until anything that it depends on changes."""
    if project.spec.files:
        return  # every file would have to be looked at, which is most of the work
    cache.make_secret()
    key = cache.project_key(project.spec_path, project.lock_path, project.store_path, [command])
    if key is None or spec_parse.load(project.spec_path) != project.spec:
        return
    needs: tuple[str, ...] = ()
    watched: cache.Watched = ()
    if result is not None:
        store = Store(project.store_path)
        held = identities.detect().held
        layers = (store.layer(held, layer.digest) for layer in result.layers)
        needs = (*layers, store.environment(result.environment))
        watched = cache.watch([generations.path(store, project.spec_path)])
    owners = ownership.check(project.found)
    links = tuple((source, place) for source, place in project.places.items() if source != place)
    answer = {"owners": owners, "links": links, "needs": needs, "said": said}
    cache.store_plan(key, answer, watched)


def _local_sources(project: Project) -> tuple[str, ...]:
    if not project.spec.files:
        return ()
    from envforge.sources.files import read as project_files  # noqa: PLC0415 - only for specs with files

    return project_files.sources(project.directory, project.spec.files)


def enter(
    compiled: Compiled,
    command: Sequence[str],
    *,
    workdir: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> int:
    """Run a command, or the spec's shell where there is none, in the sandbox; return its exit code.

    Without `workdir` it starts where the caller stands, if that is mounted. `variables` go before the spec's.
    """
    return entry.enter(compiled, command, os.environ, cwd=workdir, extra=variables)


def allow(project: Project) -> None:
    """Remember that the project may have all that its spec wants now."""
    consent.allow(project, project.reach)


def verify(project: Project, *, progress: Progress) -> VerifyResult:
    """Build the environment, read it from the disk, then build it once more apart, and compare."""
    with locks.in_use(open_store(project.store_path)):
        return _verified(project, build(project, progress=progress), progress)


def check(project: Project, *, strict: bool = False, progress: Progress) -> tuple[BuildResult, VerifyResult]:
    """Build strictly from the lock, then read all of it from the disk; `strict` builds it again too."""
    with locks.in_use(open_store(project.store_path)):
        result = build(project, locked=True, progress=progress)
        return result, _verified(project, result, progress, rebuilt=strict)


def _verified(
    project: Project, result: BuildResult, progress: Progress, *, rebuilt: bool = True
) -> VerifyResult:
    identity = identities.detect()
    found = read_layers(project, identity, result.layers, progress)
    known = _read(project)
    if rebuilt and known is not None:
        found += rebuild_apart(project, known, identity, result.layers, progress)
    return VerifyResult(not found, result.environment, found)


def destroy_store(path: str) -> None:
    """Remove a store with all that is in it, whoever owns it inside. Raises StoreError, CapabilityError."""
    if not os.path.exists(f"{path}/format"):
        raise StoreError(f"{path} is not a store", hint="name it with --store DIR")
    store = open_store(path)
    view = View.of(writable=[store.path], every_id=True)
    with locks.alone(store):
        call_confined(identities.detect(), view, empty_tree, store.path, LOCK_NAME)
        locks.remove_own(store)


def _ready_lock(project: Project, *, locked: bool, frozen: bool, progress: Progress) -> Lock:
    if frozen:
        known = _read(project)
        if known is None:
            raise LockStaleError(f"{project.lock_path} does not exist", hint="envforge lock")
        return known
    return lock(project, check=locked, progress=progress).lock


def _read(project: Project) -> Lock | None:
    return lock_file.read(project.lock_path) if os.path.lexists(project.lock_path) else None


def _fresh(project: Project, known: Lock | None, stale: Sequence[str]) -> Lock:
    if known is None:
        raise LockStaleError(f"{project.lock_path} does not exist", hint="envforge lock")
    if stale:
        raise LockStaleError(
            f"{project.lock_path} does not fit the spec: {', '.join(stale)} changed", hint="envforge lock"
        )
    return known
