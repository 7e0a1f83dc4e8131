"""Drops generations of a project, and brings dropped ones back."""

import os
from collections.abc import Callable, Collection
from typing import Any

from envforge.environment.projects import generations
from envforge.errors import StoreError
from envforge.spec.environments import DEFAULT
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
    """Add the generations of a document that `drop` noted; return how many. Those that exist stay."""
    path = generations.recorded_path(store, document["spec"], document.get("variant", DEFAULT))
    with locks.holding(store, f"root-{_name(path)}"):
        now = _read(path)
        taken = {one["number"] for one in now["generations"]}
        back = [one for one in document["generations"] if one["number"] not in taken]
        if back:
            whole = sorted([*now["generations"], *back], key=lambda one: one["number"])
            _write(store, path, {**document, **now, "generations": whole})
    return len(back)


def _read(path: str) -> Document:
    document = records.read(path) or {"generations": []}
    try:
        if all(isinstance(one["number"], int) for one in document["generations"]):
            return document
    except (KeyError, TypeError):
        pass
    raise StoreError(f"{path} is damaged", hint=f"rm {path}, and build again")


def _write(store: Store, path: str, document: Document) -> None:
    records.write(store, path, {name: value for name, value in document.items() if name != "format"})


def _name(path: str) -> str:
    return os.path.basename(path).removesuffix(".json")
