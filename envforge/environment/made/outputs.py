"""Compares built digests with the lock's outputs, and decides which differences are failures. Pure.

Layers of locked sources are a function of what the lock pins, and their outputs are dropped when packages
change. Another digest for the same packages means tampering or an irreproducible build, so it is taken on
request only. The layer of `[[files]]` and the runtime part follow from the spec and the user's own files,
which may be edited: there another digest is a failure only where the lock must be met exactly (`--locked`).
"""

from typing import Final

from envforge import machine
from envforge.digest import digest_of
from envforge.environment.made.model import Environment
from envforge.errors import LockStaleError, OutputError
from envforge.lock.model import RECIPE_FORMAT, Lock, Outputs, part_of
from envforge.sources import registry

_LOCAL: Final = frozenset(source.name for source in registry.LOCAL)
"""Names of layers whose inputs the lock does not pin."""


def outputs_of(environment: Environment) -> Outputs:
    """Return the outputs that a lock records of a built environment."""
    layers = tuple((layer.name, layer.digest) for layer in environment.layers)
    return Outputs(environment.digest, digest_of(environment.runtime), layers)


def recorded(lock: Lock, name: str) -> Outputs | None:
    """Return the outputs that the lock records for this machine, None without any of this recipe format."""
    part = part_of(lock, name, machine.native())
    return part.outputs if part is not None and lock.recipe_format == RECIPE_FORMAT else None


def follow_from_packages(lock: Lock, name: str) -> dict[str, str] | None:
    """Return the recorded digests of layers that are a function of the lock, by name; None without any."""
    expected = recorded(lock, name)
    if expected is None:
        return None
    return {name: digest for name, digest in expected.layers if name not in _LOCAL}


def check_unchanged(lock: Lock, name: str, environment: Environment) -> None:
    """Raise OutputError where a layer that is a function of the lock has another digest than it records."""
    expected = recorded(lock, name)
    if expected is not None:
        built = {layer.name: layer.digest for layer in environment.layers if layer.name not in _LOCAL}
        said = {name: digest for name, digest in expected.layers if name not in _LOCAL}
        for layer in said | built:
            _compare(f"layer {layer}", said.get(layer), built.get(layer))


def check_all(lock: Lock, name: str, environment: Environment) -> None:
    """Raise LockStaleError where local files or runtime tables were edited, OutputError for the rest."""
    expected = recorded(lock, name)
    if expected is None:
        if lock.recipe_format != RECIPE_FORMAT:
            raise OutputError(
                f"the lock's digests are of the recipe format {lock.recipe_format}, this release builds by "
                f"{RECIPE_FORMAT}",
                hint="`envforge build` takes the new digests",
            )
        return
    built = {layer.name: layer.digest for layer in environment.layers}
    said = dict(expected.layers)
    for local in _LOCAL:
        if said.get(local) != built.get(local):
            raise LockStaleError(
                f"the lock is of other [[{local}]]: their sources, targets or modes have changed",
                hint="`envforge build` takes what follows from that",
            )
    for layer in said | built:
        _compare(f"layer {layer}", said.get(layer), built.get(layer))
    if expected.runtime != digest_of(environment.runtime):
        raise LockStaleError(
            "the lock is of another [shell], [variables], [[mounts]] or [network] than the spec's",
            hint="`envforge build` takes what follows from the spec's edits",
        )
    _compare("the environment", expected.environment, environment.digest)


def _compare(name: str, recorded: str | None, built: str | None) -> None:
    if recorded == built:
        return
    raise OutputError(
        f"{name} came out as {built or 'nothing'}, the lock says {recorded or 'nothing'}",
        hint="`envforge verify` shows whether files were altered; "
        "`envforge build --accept` takes the new digests",
    )
