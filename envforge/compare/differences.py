"""Compares two targets, as deep as the level says: packages, then files, then contents."""

import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from envforge.compare import locks_of, model, packages
from envforge.compare.model import Comparison, FileChange, Level, PackageChange
from envforge.compare.sides import UPPER, LayerName
from envforge.compare.targets import Here, Target
from envforge.errors import NotFoundError
from envforge.sources.interface import Package
from envforge.store import records
from envforge.store.layout import Store
from envforge.values import evolve

if TYPE_CHECKING:
    from envforge.compare.contents.reading import Roots
    from envforge.compare.files import Stack

_SHALLOW: Final = "`envforge diff --level package` needs no files"


def compare(
    here: Here, a: Target, b: Target, level: Level, *, times: bool = False, every: bool = False
) -> Comparison:
    """Return what differs between two targets; with `times` also files of which only the time differs.

    With `every` the contents of all files that differ are compared, else none of packages that are new or
    gone as a whole: that would be all that they have.

    Raises NotFoundError where files are asked for that have gone, LockError, StoreError, SandboxError.
    """
    known = packages_of(a), packages_of(b)
    runtime = packages.runtime_changes(a.runtime, b.runtime) if a.runtime and b.runtime else ()
    found = Comparison(
        a.side,
        b.side,
        level,
        _package_changes(known),
        tuple(runtime),
        size_bytes_delta=_size_delta(here.store, a, b),
    )
    found = evolve(found, notes=tuple(_notes(known, a, b)))
    return found if level == "package" else _with_files(here, found, (a, b), known, times=times, every=every)


def packages_of(target: Target) -> tuple[Package, ...] | None:
    """Return a target's packages, None where they are not known."""
    if target.directory:
        from envforge.compare import directories  # noqa: PLC0415 - seldom, and it starts a child

        return directories.packages([target.directory])
    locked = None if target.lock is None else locks_of.packages(target.lock(), target.name)
    if target.inside is None or not os.path.isdir(target.inside.upper):
        return locked
    from envforge.compare import directories  # noqa: PLC0415 - as above
    from envforge.sources import registry  # noqa: PLC0415 - likewise

    found = directories.packages(target.inside.roots(target.layers), every_id=True)
    return packages.with_locked(found, locked or (), {registry.LOCKED[0].name})


def _notes(known: Sequence[tuple[Package, ...] | None], a: Target, b: Target) -> Sequence[str]:
    return [
        f"no lock is known of {target.title}, so packages cannot be compared"
        for target, found in zip((a, b), known, strict=True)
        if found is None
    ]


def _size_delta(store: Store | None, a: Target, b: Target) -> int | None:
    """Return by how much the layers have grown; equal ones are not looked at."""
    changed = a.directory or b.directory or a.inside or b.inside
    if store is None or changed or not a.layers or not b.layers:
        return None
    common = {layer.digest for layer in a.layers} & {layer.digest for layer in b.layers}
    old, new = (
        [_size(store, layer) for layer in target.layers if layer.digest not in common] for target in (a, b)
    )
    whole = all(size is not None for size in (*old, *new))
    return sum(size or 0 for size in new) - sum(size or 0 for size in old) if whole else None


def _size(store: Store, layer: LayerName) -> int | None:
    record = records.read(store.record(layer.key)) if layer.key else None
    size = record.get("size_bytes") if record else None
    return size if isinstance(size, int) else None


def stack_of(store: Store | None, target: Target) -> "Stack":
    """Return a target's layers with their listings; on top what a container has changed.

    Raises NotFoundError where layers have gone, SandboxError.
    """
    from envforge.compare.files import Stack  # noqa: PLC0415 - packages alone need no listings
    from envforge.store import layers  # noqa: PLC0415 - likewise

    if target.directory:
        from envforge.compare import directories  # noqa: PLC0415 - seldom, and it starts a child

        return Stack([""], [directories.entries(target.directory)])
    if store is None or not target.layers:
        raise NotFoundError(
            f"nothing is known of the files of {target.title}: it is not built", hint=_SHALLOW
        )
    for layer in target.layers:
        if layers.held_of(store, layer.digest) is None:
            raise NotFoundError(
                f"the store has no files of {target.title} any more: the layer {layer.name} is gone",
                hint=_SHALLOW,
            )
    texts = [layers.listing_of(store, layer.digest) for layer in target.layers]
    stack = Stack([layer.name for layer in target.layers], texts)
    if target.inside is not None:
        from envforge.compare.inside import listed  # noqa: PLC0415 - seldom, and it starts a child

        text, stack.notes = listed.lay(target.inside, target.layers, stack.indexes)
        stack.cover(UPPER, text)
    return stack


def _with_files(
    here: Here,
    found: Comparison,
    targets: tuple[Target, Target],
    known: Sequence[tuple[Package, ...] | None],
    *,
    times: bool,
    every: bool,
) -> Comparison:
    from envforge.compare import files  # noqa: PLC0415 - as above

    a, b = targets
    same = all(getattr(a, part) == getattr(b, part) for part in ("layers", "directory", "inside"))
    if same and (a.layers or a.directory):
        return evolve(found, files=(), contents=() if found.level == "content" else None)
    old, new = stack_of(here.store, a), stack_of(here.store, b)
    differing = list(files.changes(old, new))
    shown = [one for one in differing if times or not one.only_time]
    shown = _owned(here.store, shown, (old, new), targets, known)
    delta = found.size_bytes_delta
    found = evolve(
        found,
        files=tuple(shown),
        only_times=len(differing) - len(shown),
        size_bytes_delta=sum(one.size_delta for one in differing) if delta is None else delta,
        notes=(*found.notes, *old.notes, *new.notes),
    )
    if found.level != "content":
        return found
    whole = {} if every else model.whole_packages(found)
    return _with_contents(here, found, (old, new), targets, whole)


def _owned(
    store: Store | None,
    found: list[FileChange],
    stacks: "tuple[Stack, Stack]",
    targets: tuple[Target, Target],
    known: Sequence[tuple[Package, ...] | None],
) -> list[FileChange]:
    """Return the changes with who owns each path: on the newer side if that has it and knows."""
    from envforge.compare import files, owners  # noqa: PLC0415 - as above

    if store is None:
        return found
    wanted: tuple[dict[bytes, str], dict[bytes, str]] = ({}, {})
    for one in found:
        if one.new_line is not None and not targets[1].directory:
            wanted[1][one.path] = one.layer
        elif one.old_line is not None and not targets[0].directory:
            wanted[0][one.path] = stacks[0].layer_of(one.path)
    for side in (0, 1):
        if wanted[side]:
            owned = owners.owners(store, targets[side].layers, known[side] or (), wanted[side])
            found = files.with_owners(found, owned)
    return found


def _with_contents(
    here: Here,
    found: Comparison,
    stacks: "tuple[Stack, Stack]",
    targets: tuple[Target, Target],
    whole: Collection[str],
) -> Comparison:
    from envforge.compare.contents import reading  # noqa: PLC0415 - it starts a child
    from envforge.sandbox.ids import identity as identities  # noqa: PLC0415 - likewise

    identity = identities.detect()
    old, new = (_roots(here.store, target, identity.held) for target in targets)
    wanted = [one for one in found.files or () if one.kind == "changed" or one.package not in whole]
    layers_of_old = {one.path: stacks[0].layer_of(one.path) for one in wanted if one.kind == "changed"}
    shown, left_out = reading.read(identity, old, new, wanted, layers_of_old)
    return evolve(found, contents=shown, contents_left_out=left_out)


def _roots(store: Store | None, target: Target, held: str) -> "Roots":
    """Return the root of each layer, in the caller's own ownership mode where the store has it so."""
    from envforge.compare.contents.reading import Roots  # noqa: PLC0415 - as above
    from envforge.store import layers  # noqa: PLC0415 - as above

    if target.directory:
        return Roots({"": os.path.realpath(target.directory)})
    assert store is not None
    found = {}
    for layer in target.layers:
        mode = held if layers.exists(store, held, layer.digest) else layers.held_of(store, layer.digest)
        found[layer.name] = f"{store.layer(mode or held, layer.digest)}/root"
    upper = target.inside.upper if target.inside is not None and os.path.isdir(target.inside.upper) else ""
    return Roots({**found, UPPER: upper} if upper else found, upper)


def _package_changes(known: Sequence[tuple[Package, ...] | None]) -> tuple[PackageChange, ...] | None:
    """Return the packages that differ, None where one side's are not known."""
    old, new = known
    return None if old is None or new is None else packages.changes(old, new)
