"""Assembles a project's environment from its lock: layers come from the store or a cache, or are built."""

import os
import time
from collections.abc import Iterator
from typing import Any

from attrs import asdict, frozen

from envforge import machine
from envforge.build.built import Built
from envforge.build.cache_interface import Cache
from envforge.build.site import Site
from envforge.build.task import Work
from envforge.environment.made import model, outputs, reasons
from envforge.environment.made.model import Environment, LayerReference
from envforge.environment.projects import generations
from envforge.environment.projects.generations import Generation
from envforge.environment.projects.project import Project
from envforge.errors import EnvforgeError, IntegrityError, LockStaleError
from envforge.lock import file as lock_file
from envforge.lock.model import Lock, Part, part_of, with_outputs
from envforge.progress import Progress
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids.identity import Identity
from envforge.sources import registry
from envforge.spec.model import Spec
from envforge.store import blobs, holds, layers, locks, partial, records
from envforge.store.durability import reaching_disk, recover
from envforge.store.layout import Store, open_store
from envforge.store.staging import clear_debris, has_debris


@frozen
class BuildResult:
    """The result of building a project."""

    name: str
    environment: str
    """Digest."""
    layers: tuple[Built, ...]
    """Top to bottom."""
    seconds: float


@frozen
class BuildOptions:
    """The options of a build."""

    anew: bool = False
    """Make every layer again."""
    check_outputs: bool = False
    """Fail where any digest differs from the lock's outputs."""
    enter_failed: bool = False
    """Run a shell on the terminal in the tree of packages that could not be configured."""
    accept: bool = False
    """Accept other digests than the lock's for the same packages."""


def assemble(
    project: Project, lock: Lock, identity: Identity, wanted: BuildOptions, progress: Progress
) -> tuple[BuildResult, Lock]:
    """Build the missing layers of the project's environment; return it, and the lock with its outputs.

    Raises whatever fetching, unpacking and configuring raise; OutputError where other digests came out than
    the lock records.
    """
    store = open_store(project.store_path)
    recover(store)
    with holds.holding(store, held_names(locked_part(project, lock))) as hold:
        site = Site(
            store,
            identity,
            project.config,
            project.files,
            anew=wanted.anew,
            project=project.spec.name,
            enter_failed=wanted.enter_failed,
            hold=hold,
            cache=_cache(project),
            recorded=outputs.follow_from_packages(lock, project.environment),
        )
        return _assemble(site, project, lock, wanted, progress)


def held_names(part: Part) -> Iterator[str]:
    """Yield the names that a build of that part holds in the store before it knows its layers."""
    yield model.closure_key(part)
    for name, pinned in part.pinned.items():
        yield from registry.source(name).inputs(pinned)


def _assemble(
    site: Site, project: Project, lock: Lock, wanted: BuildOptions, progress: Progress
) -> tuple[BuildResult, Lock]:
    started = time.monotonic()
    store, part = site.store, locked_part(project, lock)
    made = build_local(site, project.spec, _locked_layers(site, part, progress), progress)
    environment = Environment(
        tuple(LayerReference(one.name, one.key, one.digest) for one in made),
        model.runtime_part(project.spec),
        model.closure_key(part),
    )
    result = BuildResult(
        project.spec.name,
        environment.digest,
        made,
        time.monotonic() - started,
    )
    if wanted.check_outputs:
        outputs.check_all(lock, project.environment, environment)
    elif not wanted.accept:
        outputs.check_unchanged(lock, project.environment, environment)
    lock = with_outputs(lock, project.environment, machine.native(), outputs.outputs_of(environment))
    site.keep(environment.digest)
    model.save(store, environment)
    _note(store, project, environment, lock)
    return result, lock


def _note(store: Store, project: Project, environment: Environment, lock: Lock) -> None:
    """Record a generation. Compares with the lock's file first: dumping a lock is slower than reading it."""
    about = (store, project.spec_path, project.spec.name, environment.digest)
    on_disk = lock_file.read_bytes(project.lock_path) if os.path.exists(project.lock_path) else b""
    if not generations.is_noted(*about, spec=project.spec_data, lock=on_disk, variant=project.environment):
        generations.note(
            *about,
            spec=project.spec_data,
            lock=lock_file.dumps(lock),
            variant=project.environment,
            reason=lambda before: _reason(store, project, before, environment, lock),
        )


def _reason(
    store: Store, project: Project, before: Generation | None, environment: Environment, lock: Lock
) -> str:
    """Return why there is a new generation after `before`, as far as that one can still be read."""
    now = reasons.state_of(locked_part(project, lock), environment)
    if before is None:
        return reasons.reason(None, now)
    try:
        then = lock_file.loads(blobs.read(store, before.lock), "the lock of the generation before")
        part = locked_part(project, then)
        return reasons.reason(reasons.state_of(part, model.load(store, before.environment)), now)
    except (EnvforgeError, OSError):  # of another release's format, or gone
        return ""


def locked_part(project: Project, lock: Lock) -> Part:
    """Return the project's part of the lock on this machine. Raises LockStaleError where there is none."""
    here = machine.native()
    part = part_of(lock, project.environment, here)
    if part is None:
        raise LockStaleError(f"the lock has nothing for {here}", hint="envforge lock")
    return part


def _cache(project: Project) -> Cache | None:
    if not project.config.cache:
        return None
    from envforge.build.cache.directory import open_directory  # noqa: PLC0415 - only where there is one

    return open_directory(project.config.cache)


def _locked_layers(site: Site, part: Part, progress: Progress) -> tuple[Built, ...]:
    """Return the locked sources' layers: by the closure's record, else from the cache, else by building."""
    if site.anew:
        return build_locked(site, part, progress)
    key = model.closure_key(part)
    known = _recorded(site, records.read(site.store.record(key)), progress)
    taken = () if known else _taken(site, key, progress)
    made = known or taken or build_locked(site, part, progress)
    if not known:
        document = {"layers": [_document(one) for one in made], "cached": bool(taken)}
        records.write(site.store, site.store.record(key), document)
    if site.cache is not None:
        from envforge.build.cache import transfer  # noqa: PLC0415 - only where there is one

        transfer.give(site, key, made, progress)
        clear(site)
    return made


def _taken(site: Site, key: str, progress: Progress) -> tuple[Built, ...]:
    """Return the closure's layers from the cache; none where there is no cache or it lacks them."""
    if site.cache is None:
        return ()
    from envforge.build.cache import transfer  # noqa: PLC0415 - only where there is one

    clear(site)
    return transfer.take(site, key, progress) or ()


def build_locked(site: Site, part: Part, progress: Progress) -> tuple[Built, ...]:
    """Return the locked sources' layers; make those that are missing, and the trees that they link to."""
    from envforge.build import builder  # noqa: PLC0415 - 60 ms that a build with nothing to do saves

    clear(site)
    locks.sweep(site.store)
    partial.sweep(site.store)
    try:
        with reaching_disk(site.store):
            return builder.build(site, works_of(site, part, progress), progress)
    except BaseException as error:
        if isinstance(error, IntegrityError):
            for name in held_names(part):
                blobs.set_aside(site.store, name)
        clear(site)  # killed workers left their staging, and the disk may be full of it
        raise


def works_of(site: Site, part: Part, progress: Progress) -> list[Work]:
    """Return the work of each locked source, bottom to top."""
    return [
        source.work(site, part.pinned[source.name], progress)
        for source in registry.LOCKED
        if source.name in part.pinned
    ]


def clear(site: Site) -> None:
    """Remove what dead processes left in the store, in a confined child that has every id of its files."""
    if has_debris(site.store):
        view = View.of(writable=[f"{site.store.path}/{kind}" for kind in ("staging", "trash")], every_id=True)
        call_confined(site.identity, view, clear_debris, site.store)


def _recorded(site: Site, document: dict[str, Any] | None, progress: Progress) -> tuple[Built, ...]:
    if document is None:
        return ()
    try:
        found = tuple(Built(**one, reused=True) for one in document["layers"])
    except (KeyError, TypeError):
        return ()  # a damaged record is written anew
    if document.get("cached") and site.recorded != {one.name: one.digest for one in found}:
        return ()  # layers from a cache are believed only where this lock records the same digests
    site.keep(*(name for one in found for name in (one.digest, one.key)))
    gone = [one for one in found if not layers.exists(site.store, site.held, one.digest)]
    for one in gone:
        progress.message(f"layer {one.name} {one.digest[:12]} is not in the store any more: made again")
    return () if gone else found


def _document(layer: Built) -> dict[str, Any]:
    return {name: value for name, value in asdict(layer).items() if name != "reused"}


def build_local(site: Site, spec: Spec, below: tuple[Built, ...], progress: Progress) -> tuple[Built, ...]:
    """Return all layers: those of the project's own files, made if they are missing, and those `below`."""
    works = [
        source.work(site, content, progress)
        for source in registry.LOCAL
        if (content := source.read(spec, site.files)) is not None
    ]
    if not works:
        return below
    from envforge.build import builder  # noqa: PLC0415 - only for specs with files of the project

    with reaching_disk(site.store):
        return builder.build(site, works, progress, below=below)
