"""What the lock says that building gives, and when other digests are a failure. Pure.

The Debian layers follow from the lock's packages alone, and outputs are dropped when packages change. Other
digests for the same packages mean that something was altered or is not reproducible: they are taken on
request only. The layer of `[[files]]` and the runtime part follow from the spec and the user's own files,
whose edits are nobody's fault: there other digests are a failure only where the lock must be met exactly.
"""

from typing import Final

from attrs import evolve

from envforge.environment.model import Environment
from envforge.errors import OutputError
from envforge.lock.model import Lock, Outputs
from envforge.sources.debian import architecture

_LOCAL: Final = "files"


def with_outputs(lock: Lock, environment: Environment) -> Lock:
    """Return the lock with what was built here."""
    outputs = Outputs(environment.digest, tuple((layer.name, layer.digest) for layer in environment.layers))
    here = architecture.native()
    return evolve(
        lock,
        architectures=tuple(
            evolve(part, outputs=outputs) if part.architecture == here else part
            for part in lock.architectures
        ),
    )


def check_unchanged(expected: Outputs | None, environment: Environment) -> None:
    """Raise OutputError where layers that follow from the lock alone came out otherwise than it records."""
    if expected is not None:
        built = {layer.name: layer.digest for layer in environment.layers if layer.name != _LOCAL}
        recorded = {name: digest for name, digest in expected.layers if name != _LOCAL}
        for name in (*recorded, *(name for name in built if name not in recorded)):
            _compare(name, recorded.get(name), built.get(name))


def check_all(expected: Outputs | None, environment: Environment) -> None:
    """Raise OutputError where any layer, or the environment, came out otherwise than the lock records."""
    if expected is None:
        return
    built = {layer.name: layer.digest for layer in environment.layers}
    for name, digest in expected.layers:
        _compare(name, digest, built.get(name))
    if expected.environment != environment.digest:
        raise OutputError(
            f"the environment came out as {environment.digest}, the lock says {expected.environment}",
            hint="was the spec edited? `envforge build` takes what follows from its edits",
        )


def _compare(name: str, recorded: str | None, built: str | None) -> None:
    if recorded == built:
        return
    hint = (
        "`envforge verify` shows whether files were altered; `envforge build --accept` takes the new digests"
    )
    if name == _LOCAL:
        hint = "were the sources of [[files]] edited? `envforge build` takes what follows from that"
    raise OutputError(
        f"layer {name} came out as {built or 'nothing'}, the lock says {recorded or 'nothing'}", hint=hint
    )
