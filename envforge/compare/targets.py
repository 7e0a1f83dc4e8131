"""What can be compared: generations of projects, environments, locks, containers, directories.

`words.py` finds the one that a word names.
"""

import os
from collections.abc import Callable
from itertools import chain

from envforge.compare import locks_of
from envforge.compare.sides import Inside, LayerName, Side
from envforge.environment.made import model
from envforge.environment.projects import generations
from envforge.environment.projects.generations import Generation
from envforge.errors import NotFoundError
from envforge.lock.model import Lock
from envforge.spec.names import DEFAULT, label
from envforge.store import records
from envforge.store.layout import Store
from envforge.values import field, frozen


@frozen
class Here:
    """Where a word is said."""

    store: Store | None
    """None where there is no store yet."""
    spec_path: str = ""
    """Real path of this project's spec; empty outside of any project."""
    environment: str = DEFAULT
    """The chosen one of the spec's environments."""
    directory: str = "."
    """Relative paths start here."""


@frozen
class Target:
    """What a word names."""

    title: str
    """For people: `generation 3 of shop`."""
    environment: str = ""
    """Digest; empty for a directory, and for a lock without outputs."""
    layers: tuple[LayerName, ...] = ()
    """Top to bottom; none where the store has no description of the environment any more."""
    runtime: dict[str, object] | None = field(default=None, eq=False)
    """The runtime part; None where only a lock or a directory is known."""
    lock: Callable[[], Lock] | None = field(default=None, eq=False, repr=False)
    """Reads the lock that it was built from; None where that is not known."""
    name: str = DEFAULT
    """Which of the lock's environments."""
    generation: Generation | None = None
    spec: str = ""
    """Real path of the project's spec, where it is one of a project."""
    directory: str = ""
    """Real path of a plain directory."""
    inside: Inside | None = None
    """What lies over the layers, where it is a container or a sandbox."""

    @property
    def side(self) -> Side:
        """Return what is shown of it."""
        return Side(self.title, self.environment, self.layers)


def current(here: Here) -> Target:
    """Return this project's current environment. Raises NotFoundError."""
    project = own(here)
    if project is None:
        raise not_built(here)
    return of_generation(here, project, project.current)


def before(here: Here) -> Target:
    """Return the generation before the current one. Raises NotFoundError."""
    return counted_back(here, 1)


def of_generation(here: Here, project: generations.History, generation: Generation) -> Target:
    """Return one generation of a project."""
    assert here.store is not None
    store, shown = here.store, label(project.name, project.variant)
    layers, runtime = described(store, generation.environment)
    return Target(
        title=f"generation {generation.number} of {shown}",
        environment=generation.environment,
        layers=layers,
        runtime=runtime,
        lock=lambda: locks_of.blob(store, generation.lock, generation.number),
        name=project.variant,
        generation=generation,
        spec=project.spec,
    )


def described(store: Store, digest: str) -> tuple[tuple[LayerName, ...], dict[str, object] | None]:
    """Return the layers and the runtime part of an environment; none where its description is gone."""
    document = records.read(store.environment(digest))
    if document is None:
        return (), None
    known = model.from_document(document)
    layers = tuple(LayerName(layer.name, layer.key, layer.digest) for layer in known.layers)
    return layers, dict(known.runtime)


def beneath(here: Here, target: Target) -> Target:
    """Return the environment that a container runs in."""
    return of_environment(here, target.environment)


def own(here: Here) -> generations.History | None:
    """Return the generations of this project's environment, None where it was never built."""
    if here.store is None or not here.spec_path:
        return None
    return generations.find(here.store, here.spec_path, here.environment)


def not_built(here: Here) -> NotFoundError:
    """Return the error for a project that has no generations."""
    if not here.spec_path:
        return NotFoundError(
            "no project is here, so there is no current environment",
            hint="name both sides, or the spec: envforge --file FILE diff",
        )
    which = "" if here.environment == DEFAULT else f" -E {here.environment}"
    return NotFoundError(f"{here.spec_path} was never built", hint=f"envforge build{which}")


def counted_back(here: Here, steps: int) -> Target:
    """Return the generation that many before the current one. Raises NotFoundError."""
    project = own(here)
    if project is None:
        raise not_built(here)
    if steps >= len(project.generations):
        raise no_generation(here, project, f"@-{steps}")
    return of_generation(here, project, project.generations[-1 - steps])


def numbered(here: Here, project: generations.History | None, digits: str) -> Target:
    """Return a project's generation of that number. Raises NotFoundError."""
    for generation in project.generations if project else ():
        if generation.number == int(digits):
            assert project is not None
            return of_generation(here, project, generation)
    raise no_generation(here, project, digits)


def no_generation(here: Here, project: generations.History | None, number: str) -> NotFoundError:
    """Return the error for a generation that a project does not have."""
    if project is None:
        return not_built(here)
    numbers = [one.number for one in project.generations]
    there = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    shown = label(project.name, project.variant)
    return NotFoundError(
        f"{shown} has no generation {number}; it has {there}", hint="`envforge history` lists the generations"
    )


def of_environment(here: Here, digest: str) -> Target:
    """Return an environment by its whole digest, as a generation of a project where it is one."""
    assert here.store is not None
    mine = own(here)
    for project in chain((mine,) if mine else (), generations.naming(here.store, digest)):
        for generation in reversed(project.generations):
            if generation.environment == digest:
                return of_generation(here, project, generation)
    layers, runtime = described(here.store, digest)
    return Target(f"environment {digest[:12]}", digest, layers, runtime)


def project_at(here: Here, spec: str) -> Target:
    """Return a project by its spec: as it was built last, else its lock."""
    project = generations.find(here.store, spec) if here.store else None
    if project is not None:
        return of_generation(here, project, project.current)
    path = locks_of.beside(spec)
    if not os.path.exists(path):
        import shlex  # noqa: PLC0415 - only for this hint

        raise NotFoundError(
            f"{spec} was never built and has no lock", hint=f"envforge --file {shlex.quote(spec)} build"
        )
    return of_lock(here, locks_of.at(path), f"the lock {path}")


def of_lock(here: Here, lock: Lock, title: str) -> Target:
    """Return what a lock says: its packages, and the layers that building it gave."""
    name = here.environment if here.environment in lock.environments else DEFAULT
    outputs = locks_of.outputs(lock, name)
    layers = tuple(LayerName(layer, "", digest) for layer, digest in outputs.layers) if outputs else ()
    digest = outputs.environment if outputs else ""
    runtime = None
    if here.store is not None and digest:
        known, runtime = described(here.store, digest)
        layers = known or layers
    return Target(title, digest, layers, runtime, lambda: lock, name)
