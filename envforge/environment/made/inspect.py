"""Describes a project's environment for people. Reads only."""

from collections.abc import Iterator

from envforge import machine as architecture
from envforge.build.built import Built
from envforge.environment.made import model
from envforge.environment.projects import generations
from envforge.environment.projects.project import Project
from envforge.errors import StoreError
from envforge.lock import file as lock_file
from envforge.lock.model import Lock, part_of
from envforge.lock.requests import requests_of, stale_parts
from envforge.sources import registry
from envforge.sources.interface import Package
from envforge.spec.names import DEFAULT
from envforge.store import locks, records
from envforge.store.layout import Store
from envforge.values import evolve, frozen


@frozen
class EnvironmentDetails:
    """What `show` and `tree` say of a project."""

    name: str
    """`shop`, or `shop:db` for another environment than the spec's own."""
    description: str
    spec: str
    store: str
    suite: str
    architecture: str
    locked: bool
    stale: tuple[str, ...]
    """Parts of the spec that the lock does not fit."""
    environment: str
    """Digest; empty where it was never built."""
    layers: tuple[Built, ...]
    packages: tuple[Package, ...]
    environment_name: str = DEFAULT
    environments: tuple["Sibling", ...] = ()
    """All that the spec has, its own first."""


@frozen
class Sibling:
    """One of the environments of a spec."""

    name: str
    lock: str
    """`current`, `stale` or `missing`."""
    environment: str
    """Digest; empty where it was never built."""


def layers(store: Store, digest: str) -> tuple[Built, ...]:
    """Return the layers of the environment with that digest, top to bottom. Raises NotFoundError."""
    return tuple(_built(store, layer) for layer in model.load(store, digest).layers)


def describe(project: Project) -> EnvironmentDetails:
    """Return what is known of a project: its lock and, if it was built, its environment."""
    spec = project.spec
    lock = lock_file.read_if_there(project.lock_path)
    with locks.reading(project.store_path) as store:
        environment = _current(store, project) if store is not None else None
        layers = tuple(_built(store, one) for one in environment.layers) if store and environment else ()
        siblings = tuple(_siblings(project, lock, store))
    return EnvironmentDetails(
        name=project.label,
        description=spec.description,
        spec=project.spec_path,
        store=project.store_path,
        suite=spec.debian.suite,
        architecture=architecture.native(),
        locked=lock is not None,
        stale=stale_parts(lock, project.environment, requests_of(spec)) if lock else (),
        environment=environment.digest if environment else "",
        layers=layers,
        packages=_packages(lock, project.environment) if lock else (),
        environment_name=project.environment,
        environments=siblings,
    )


def _siblings(project: Project, lock: Lock | None, store: Store | None) -> Iterator[Sibling]:
    for name, spec in project.specs.items():
        if lock is None or name not in lock.environments:
            state = "missing"
        else:
            state = "stale" if stale_parts(lock, name, requests_of(spec)) else "current"
        built = _current(store, evolve(project, environment=name)) if store is not None else None
        yield Sibling(name, state, built.digest if built else "")


def users(project: Project) -> tuple[str, ...]:
    """Return the names of the users in a project's environment; none where it is not built."""
    from envforge.environment.made import accounts, own_files  # noqa: PLC0415 - they start a child
    from envforge.sandbox.ids import identity as identities  # noqa: PLC0415 - likewise

    identity = identities.detect()
    with locks.reading(project.store_path) as store:
        environment = _current(store, project) if store is not None else None
        if store is None or environment is None:
            return ()
        roots = [f"{store.layer(identity.held, layer.digest)}/root" for layer in environment.layers]
        return tuple(user.name for user in accounts.users(own_files.read(identity, roots).passwd))


def _packages(lock: Lock, environment: str) -> tuple[Package, ...]:
    part = part_of(lock, environment, architecture.native())
    pinned = part.pinned if part else {}
    return tuple(one for name, pins in pinned.items() for one in registry.source(name).packages(pins))


def _current(store: Store, project: Project) -> model.Environment | None:
    known = generations.find(store, project.spec_path, project.environment)
    return _environment(store, known.current.environment) if known else None


def _environment(store: Store, digest: str) -> model.Environment | None:
    document = records.read(store.environment(digest))
    return model.from_document(document) if document else None


def _built(store: Store, layer: model.LayerReference) -> Built:
    record = records.read(store.record(layer.key))
    if record is None:
        raise StoreError(f"the store has no record of layer {layer.name}", hint="envforge build")
    return Built(layer.name, layer.key, layer.digest, record["size_bytes"], record["files"], reused=True)
