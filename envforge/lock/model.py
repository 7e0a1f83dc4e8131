"""The lock as values: every input of all environments by SHA-256. `lock/file.py` reads and writes it."""

from collections.abc import Mapping
from typing import Final

from envforge.sources.interface import Pinned, Request
from envforge.spec.names import DEFAULT
from envforge.values import evolve, field, frozen

__all__ = [
    "DEFAULT",
    "FORMAT",
    "RECIPE_FORMAT",
    "Lock",
    "LockedEnvironment",
    "Outputs",
    "Part",
    "part_of",
    "with_outputs",
]

FORMAT: Final = 2
RECIPE_FORMAT: Final = 3
"""The recipe format of new locks. A release that changes any layer's bytes raises it."""


@frozen
class Outputs:
    """The digests of a build: written by `build`, checked by `--locked` and `ci`."""

    environment: str
    """The environment's digest, 64 hex digits."""
    runtime: str
    """The runtime part's digest: it tells an edit of `[shell]` and the like from changed bytes."""
    layers: tuple[tuple[str, str], ...]
    """Name and digest, top to bottom."""


@frozen
class Part:
    """One environment on one architecture."""

    pinned: Mapping[str, Pinned]
    """By the name of the source."""
    outputs: Outputs | None = None


@frozen
class LockedEnvironment:
    """One environment of a project."""

    requests: Mapping[str, Request]
    """By the name of the source; kept so that staleness can name what differs."""
    parts: Mapping[str, Part]
    """By architecture."""


@frozen
class Lock:
    """A whole lock file."""

    environments: Mapping[str, LockedEnvironment]
    format: int = FORMAT
    recipe_format: int = field(default=RECIPE_FORMAT)


def part_of(lock: Lock, environment: str, architecture: str) -> Part | None:
    """Return what is locked for an environment on an architecture, None where nothing is."""
    known = lock.environments.get(environment)
    return None if known is None else known.parts.get(architecture)


def with_outputs(lock: Lock, environment: str, architecture: str, outputs: Outputs) -> Lock:
    """Return the lock with the outputs of one part, built by this release's recipes.

    Outputs of another recipe format are dropped from all parts.
    """
    same = lock.recipe_format == RECIPE_FORMAT

    def part(name: str, place: str, known: Part) -> Part:
        if (name, place) == (environment, architecture):
            return evolve(known, outputs=outputs)
        return known if same else evolve(known, outputs=None)

    return evolve(
        lock,
        recipe_format=RECIPE_FORMAT,
        environments={
            name: evolve(known, parts={place: part(name, place, one) for place, one in known.parts.items()})
            for name, known in lock.environments.items()
        },
    )
