"""What the lock says that building gives, and when other digests are a failure. Pure.

The Debian layers follow from the lock's packages alone, and outputs are dropped when packages change. Other
digests for the same packages mean that something was altered or is not reproducible: they are taken on
request only. The layer of `[[files]]` and the runtime part follow from the spec and the user's own files,
whose edits are nobody's fault: there other digests are a failure only where the lock must be met exactly.
"""

from typing import Final

from attrs import evolve

from envforge import machine as architecture
from envforge.environment.model import Environment
from envforge.errors import LockStaleError, OutputError
from envforge.lock.model import RECIPE_FORMAT, Lock
from envforge.sources.debian.model import Outputs

_LOCAL: Final = "files"


def with_outputs(lock: Lock, environment: Environment) -> Lock:
    """Return the lock with what was built here, by the recipes of this release.

    What another release's recipes gave on other architectures is said no more.
    """
    outputs = Outputs(environment.digest, tuple((layer.name, layer.digest) for layer in environment.layers))
    here = architecture.native()
    same = lock.recipe_format == RECIPE_FORMAT
    return evolve(
        lock,
        recipe_format=RECIPE_FORMAT,
        architectures=tuple(
            evolve(part, outputs=outputs if part.architecture == here else part.outputs if same else None)
            for part in lock.architectures
        ),
    )


def recorded(lock: Lock) -> Outputs | None:
    """Return what the lock says that building gives here, if it says so of this release's recipes."""
    here = architecture.native()
    part = next((part for part in lock.architectures if part.architecture == here), None)
    return part.outputs if part is not None and lock.recipe_format == RECIPE_FORMAT else None


def follow_from_packages(lock: Lock) -> dict[str, str] | None:
    """Return the recorded digests, by name, of layers that follow from the lock alone; None without any."""
    expected = recorded(lock)
    if expected is None:
        return None
    return {name: digest for name, digest in expected.layers if name != _LOCAL}


def check_unchanged(lock: Lock, environment: Environment) -> None:
    """Raise OutputError where layers that follow from the lock alone came out otherwise than it records."""
    expected = recorded(lock)
    if expected is not None:
        built = {layer.name: layer.digest for layer in environment.layers if layer.name != _LOCAL}
        said = {name: digest for name, digest in expected.layers if name != _LOCAL}
        for name in (*said, *(name for name in built if name not in said)):
            _compare(name, said.get(name), built.get(name))


def check_all(lock: Lock, environment: Environment) -> None:
    """Raise LockStaleError where the lock lacks the user's edits, OutputError for any other digest."""
    expected = recorded(lock)
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
    if said.get(_LOCAL) != built.get(_LOCAL):
        raise LockStaleError(
            "the lock is of other [[files]]: their sources, targets or modes have changed",
            hint="`envforge build` takes what follows from that",
        )
    for name in said | built:
        _compare(name, said.get(name), built.get(name))
    if expected.environment != environment.digest:
        raise LockStaleError(
            "the lock is of another [shell], [variables], [[mounts]] or [network] than the spec's",
            hint="`envforge build` takes what follows from the spec's edits",
        )


def _compare(name: str, recorded: str | None, built: str | None) -> None:
    if recorded == built:
        return
    raise OutputError(
        f"layer {name} came out as {built or 'nothing'}, the lock says {recorded or 'nothing'}",
        hint="`envforge verify` shows whether files were altered; "
        "`envforge build --accept` takes the new digests",
    )
