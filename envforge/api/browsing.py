"""Looks into environments, layer by layer: their listings, and what a file says. Reads only."""

import base64
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from envforge.build.built import Built
from envforge.environment.made import inspect
from envforge.errors import NotFoundError, StoreError
from envforge.kernel.tree import Tree
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids import identity as identities
from envforge.sources.interface import Package
from envforge.store import layers as stored
from envforge.store import listing, locks
from envforge.store.layout import Store

PREVIEW_MAX_BYTES: Final = 64 << 10


class Listed(NamedTuple):
    """One line of a layer's listing."""

    path: str
    """Bytes that are no UTF-8 are surrogates, as `os.fsdecode` gives them."""
    type: str
    """As in the listing: d, o (opaque), w (whiteout), f, l, c, b, p, s."""
    size: int
    mode: int
    content: str
    """The SHA-256 of a file, the target of a link."""


def layers(store_path: str, environment: str) -> tuple[Built, ...]:
    """Return the layers of the environment with that digest, top to bottom. Raises NotFoundError."""
    with locks.reading(store_path) as store:
        return inspect.layers(_there(store, store_path), environment)


def listed(store_path: str, layer: str) -> tuple[Listed, ...]:
    """Return the listing of the layer with that digest. Raises StoreError, IntegrityError."""
    held = identities.detect().held
    with locks.reading(store_path) as store:
        text = stored.read_listing(_there(store, store_path), held, layer)
    return tuple(_listed(line) for line in text.split(b"\n")[1:-1])


def _listed(line: bytes) -> Listed:
    try:
        kind, mode, _, _, _, size, content, _, _, path = line.split(b" ")
        return Listed(
            _text(path),
            kind.decode("ascii"),
            int(size) if size.isdigit() else 0,
            int(mode, 8),
            "" if content == b"-" else _text(content),
        )
    except ValueError as error:
        raise StoreError(f"a listing has a broken line: {line!r}", hint="envforge verify") from error


def _text(raw: bytes) -> str:
    return listing.unescape(raw).decode(errors="surrogateescape")


def owners(
    store_path: str, stack: Sequence[Built], packages: Sequence[Package], wanted: Mapping[str, str]
) -> dict[str, str]:
    """Return the package that each path comes from, where one ships it.

    `wanted` names the layer of `stack` that shows each path; `packages` are those of the environment.
    """
    from envforge.compare import owners as finding  # noqa: PLC0415 - only where files are looked at
    from envforge.compare.sides import LayerName  # noqa: PLC0415 - as above

    names = [LayerName(layer.name, layer.key, layer.digest) for layer in stack]
    raw = {path.encode(errors="surrogateescape"): layer for path, layer in wanted.items()}
    with locks.reading(store_path) as store:
        found = finding.owners(_there(store, store_path), names, packages, raw)
    return {path.decode(errors="surrogateescape"): package for path, (package, _) in found.items() if package}


def preview(store_path: str, layer: str, path: str) -> bytes:
    """Return the beginning of a regular file of a layer. Raises NotFoundError, StoreError."""
    identity = identities.detect()
    with locks.reading(store_path) as store:
        root = f"{_there(store, store_path).layer(identity.held, layer)}/root"
        try:
            found: str = call_confined(identity, View.of(readable=[root]), beginning, root, path)
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}", hint="envforge verify") from error
    return base64.b64decode(found)


def beginning(root: str, path: str) -> str:
    """Return the beginning of a file in base64. Runs in the confined child. Raises OSError."""
    with Tree(root) as tree:
        return base64.b64encode(tree.head(path, PREVIEW_MAX_BYTES)).decode()


def _there(store: Store | None, path: str) -> Store:
    if store is None:
        raise NotFoundError(f"there is no store at {path} yet", hint="envforge build")
    return store
