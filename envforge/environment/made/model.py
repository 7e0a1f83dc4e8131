"""An environment and its digest. Frozen format 1.

The digest is over the layers' digests, top to bottom, and the runtime part: the spec's `[variables]`,
`[shell]`, `[[mounts]]` and `[network]` as written (`~` and relative paths unexpanded, defaults left out).
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from envforge.digest import Canonical, digest_of
from envforge.errors import NotFoundError, StoreError
from envforge.store import records
from envforge.store.layout import Store
from envforge.values import frozen

if TYPE_CHECKING:
    from envforge.lock.model import Part
    from envforge.spec.model import Spec

FORMAT: Final = 1
RUNTIME_FORMAT: Final = 1
_RUNTIME_TABLES: Final = ("variables", "shell", "mounts", "network")


@frozen
class LayerReference:
    """One layer of an environment."""

    name: str
    key: str
    digest: str


@frozen
class Environment:
    """An environment as the store records it."""

    layers: tuple[LayerReference, ...]
    """Top to bottom."""
    runtime: Mapping[str, Canonical]
    closure: str
    """The closure key, a function of the lock."""

    @property
    def digest(self) -> str:
        """Return the SHA-256 that CI compares, 64 hex digits."""
        return digest_of(
            {
                "environment": FORMAT,
                "layers": [layer.digest for layer in self.layers],
                "runtime": self.runtime,
            }
        )


def runtime_part(spec: "Spec") -> dict[str, Canonical]:
    """Return the spec's runtime tables as written, with the format's number."""
    from envforge.spec.keys import written  # noqa: PLC0415 - only where an environment is made

    values = written(spec)
    return {"runtime": RUNTIME_FORMAT, **{name: values[name] for name in _RUNTIME_TABLES if name in values}}


def closure_key(part: "Part") -> str:
    """Return the key of all locked layers together: a pure function of the lock.

    A cache can be asked for it before any archive is fetched. It covers all that recipes read in the lock.
    """
    from envforge.build.recipe import FORMAT as RECIPE_FORMAT  # noqa: PLC0415 - as above
    from envforge.sources import registry  # noqa: PLC0415 - it loads every source

    return digest_of(
        {
            "recipe": RECIPE_FORMAT,
            "kind": "closure",
            "sources": {
                source.name: source.key(part.pinned[source.name])
                for source in registry.LOCKED
                if source.name in part.pinned
            },
        }
    )


def save(store: Store, environment: Environment) -> None:
    """Record the environment in the store, and create the file that its sandboxes lock against gc."""
    lock = os.open(store.environment_lock(environment.digest), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.close(lock)
    document: dict[str, Canonical] = {
        "digest": environment.digest,
        "layers": [
            {"name": layer.name, "key": layer.key, "digest": layer.digest} for layer in environment.layers
        ],
        "runtime": dict(environment.runtime),
        "closure": environment.closure,
    }
    if records.read(store.environment(environment.digest)) != {"format": records.FORMAT, **document}:
        records.write(store, store.environment(environment.digest), document)


def load(store: Store, digest: str) -> Environment:
    """Return the environment of that digest. Raises NotFoundError."""
    document = records.read(store.environment(digest))
    if document is None:
        raise NotFoundError(f"there is no environment {digest[:12]} in {store.path}", hint="envforge build")
    return from_document(document)


def from_document(document: Mapping[str, Any]) -> Environment:
    """Return the environment that a document of the store records.

    Raises StoreError where the document is broken, or does not have the digest that it names.
    """
    try:
        layers = tuple(LayerReference(one["name"], one["key"], one["digest"]) for one in document["layers"])
        found = Environment(layers, document["runtime"], document["closure"])
        whole = found.digest == document["digest"]
    except (KeyError, TypeError) as error:
        raise StoreError("the description of an environment is broken", hint="envforge build") from error
    if not whole:
        raise StoreError(
            f"the description of the environment {document['digest']} was altered", hint="envforge build"
        )
    return found
