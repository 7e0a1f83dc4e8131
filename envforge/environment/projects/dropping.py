"""Drops generations of a project, and brings dropped ones back."""

import os
from collections.abc import Callable, Collection, Sequence
from typing import Any

from envforge.environment.projects import generations
from envforge.errors import StoreError
from envforge.spec.names import DEFAULT
from envforge.store import locks, records
from envforge.store.layout import Store

Document = dict[str, Any]
"""A project's root as it lies in the store."""


def drop(
    store: Store, spec: str, variant: str, numbers: Collection[int], note: Callable[[Document], None]
) -> int:
    """Drop generations; return how many. The current one of a project whose spec exists always stays.

    `note` gets the root's document with these generations alone, before they are dropped. `spec` is the path
    that the store has.
    """
    path = generations.recorded_path(store, spec, variant)
    with locks.holding(store, f"root-{_name(path)}"):
        document = _read(path)
        known = document["generations"]
        stays = known[-1:] if os.path.exists(spec) else []
        dropped = [one for one in known if one["number"] in numbers and one not in stays]
        if not dropped:
            return 0
        note({**document, "generations": dropped})
        kept = [one for one in known if one not in dropped]
        if kept:
            _write(store, path, {**document, "generations": kept})
        else:
            os.unlink(path)
    return len(dropped)


def bring_back(store: Store, document: Document) -> int:
    """Add the generations of a document that `drop` noted; return how many. Those that exist stay.

    A project that was dropped as a whole and built again has begun with 1 anew, as nothing told of an earlier
    one: its generations follow those that come back then, so that the current one stays the current one.
    """
    path = generations.recorded_path(store, document["spec"], document.get("variant", DEFAULT))
    with locks.holding(store, f"root-{_name(path)}"):
        now = _read(path)
        there = now["generations"]
        back = [one for one in document["generations"] if one not in there]
        if back:
            if _has_begun_anew(there, back):
                last = max(one["number"] for one in back)
                there = [{**one, "number": last + at} for at, one in enumerate(there, 1)]
            taken = {one["number"] for one in there}
            back = [one for one in back if one["number"] not in taken]
            whole = sorted([*there, *back], key=lambda one: one["number"])
            _write(store, path, {**document, **now, "generations": whole})
    return len(back)


def _has_begun_anew(there: Sequence[Document], back: Sequence[Document]) -> bool:
    """Return whether the newest generation there is younger than those that come back, by a lower number."""
    if not there:
        return False
    newest = there[-1]
    return all(newest["created"] >= one["created"] for one in back) and any(
        newest["number"] <= one["number"] for one in back
    )


def _read(path: str) -> Document:
    document = records.read(path) or {"generations": []}
    try:
        if all(isinstance(one[key], int) for one in document["generations"] for key in ("number", "created")):
            return document
    except (KeyError, TypeError):
        pass
    raise StoreError(f"{path} is damaged", hint=f"rm {path}, and build again")


def _write(store: Store, path: str, document: Document) -> None:
    records.write(store, path, {name: value for name, value in document.items() if name != "format"})


def _name(path: str) -> str:
    return os.path.basename(path).removesuffix(".json")
