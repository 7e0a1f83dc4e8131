"""Recipes and their keys. The canonical form is frozen: stores and caches are looked up by its hash."""

import re
from typing import Final, Literal

from envforge.digest import Canonical, digest_of
from envforge.values import frozen

FORMAT: Final = 3
"""Raised by a release that would make other bytes of the same inputs."""

_NAME: Final = r"[a-z][a-z0-9-]{0,63}"

Kind = Literal["farm", "configure", "database", "fetch", "files"]


@frozen
class Recipe:
    """How one layer is made."""

    name: str
    """The layer's name in an environment: `farm`, `inert`, `base`, `rest`, `database`, `fetch-1`, `files`."""
    kind: Kind
    inputs: tuple[tuple[str, Canonical], ...]
    """Field and value, sorted: archives by SHA-256, lower layers by key, parameters."""

    @property
    def canonical(self) -> dict[str, Canonical]:
        """The plain data that is hashed and recorded. The name is no part of it."""
        return {"recipe": FORMAT, "kind": self.kind, **dict(self.inputs)}

    @property
    def key(self) -> str:
        """SHA-256 of the canonical JSON, 64 hex digits."""
        return digest_of(self.canonical)


def recipe(name: str, kind: Kind, **inputs: Canonical) -> Recipe:
    """Return a recipe with its inputs sorted by field."""
    return Recipe(name, kind, tuple(sorted(inputs.items())))


def is_layer_name(text: str) -> bool:
    """Return whether `text` can be the name of a layer in an environment."""
    return re.fullmatch(_NAME, text) is not None
