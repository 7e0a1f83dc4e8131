"""Which package, layer and source a path of an environment comes from."""

import os

from envforge.compare import owners
from envforge.compare.differences import packages_of, stack_of
from envforge.compare.targets import Here, Target
from envforge.errors import NotFoundError
from envforge.sources import registry
from envforge.sources.interface import Package
from envforge.store.merge import Shown, resolve
from envforge.values import frozen


@frozen
class Owned:
    """Where a path comes from."""

    path: bytes
    """As it was asked for."""
    real: bytes
    """With links on the way followed."""
    line: bytes
    """As its layer's listing has it."""
    layer: str
    source: str
    packages: tuple[Package, ...]
    """Who ships it; none for what was written while packages were configured, or by the project."""
    covered: tuple[str, ...]
    """Layers below that have the path too."""


def owns(here: Here, target: Target, path: str) -> Owned:
    """Return where a path of an environment comes from. Raises NotFoundError."""
    if here.store is None or target.directory:
        raise NotFoundError(f"{target.title} is no environment of this store", hint="envforge build")
    asked = os.fsencode(path if path.startswith("/") else f"/{path}")
    stack = stack_of(here.store, target)
    real = _real(stack.shown, asked)
    if real not in stack.shown:
        raise NotFoundError(
            f"{target.title} has no {path}",
            hint=f"`envforge run -- ls {os.path.dirname(path) or '/'}` shows more",
        )
    having = [name for name, index in zip(stack.names, stack.indexes, strict=True) if real in index]
    packages = packages_of(target) or ()
    source = owners.source_of(having[0])
    whole = owners.by_recipes(here.store, target.layers, packages)
    found: tuple[Package, ...] = ()
    if having[0] in whole:
        found = (whole[having[0]],)
    elif source in {registry.LOCKED[0].name, ""}:
        found = tuple(owners.by_trees(here.store, packages, {real}).get(real, ()))
    return Owned(asked, real, stack.shown.lines[real], having[0], source, found, tuple(having[1:]))


def _real(shown: Shown, asked: bytes) -> bytes:
    """Return a path with the links above its last part followed: a link itself has an owner too."""
    above, name = os.path.split(asked.rstrip(b"/") or b"/")
    if name in {b"", b".", b".."}:
        return resolve(shown, asked)
    return os.path.join(resolve(shown, above), name)
