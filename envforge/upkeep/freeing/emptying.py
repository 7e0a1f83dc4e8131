"""Deletes the trash of garbage collections for good: in confined workers, as many as there are processors.

A trash is renamed first, so that whoever wants it back finds all of it or nothing. Killed in the middle, what
is left lies in trash/ under a name that the next build, or collection, removes.
"""

import os
from collections.abc import Sequence
from typing import Final

from envforge.build.workers import Cell, Report, Workers, ready
from envforge.progress import Progress
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids.identity import Identity
from envforge.store import staging
from envforge.store.layout import Store
from envforge.upkeep.freeing import trash
from envforge.upkeep.model import Kind
from envforge.upkeep.things import directories

_BATCH: Final = 8
"""Layers or packages that one job deletes."""
_IN_PARTS: Final = (Kind.LAYER, Kind.TREE)


def empty(store: Store, identity: Identity, progress: Progress) -> None:
    """Delete what garbage collections have left in the trash."""
    doomed = [path for name in trash.collected(store) if (path := staging.doom(store, name))]
    if not doomed:
        return
    parts = [f"{path}/{part}" for path in doomed for _, part in directories(path)]
    others = [f"{path}/{name}" for path in doomed for name in os.listdir(path) if name not in _IN_PARTS]
    progress.stage("deleting", total_items=len(parts), unit="layers and packages")
    _delete_parts(store, identity, parts, others, progress)
    call_confined(identity, View.of(writable=[f"{store.path}/trash"], every_id=True), _remove, doomed)


def _delete_parts(
    store: Store, identity: Identity, parts: Sequence[str], others: Sequence[str], progress: Progress
) -> None:
    view = lambda own: View.of(writable=[f"{store.path}/trash", own], every_id=True)  # noqa: E731
    with Workers(os.cpu_count() or 1, Cell(store, identity, view)) as workers:
        workers.submit((), _delete, others)  # blobs, for the most part: first, as it is the longest job
        for batch in (parts[at : at + _BATCH] for at in range(0, len(parts), _BATCH)):
            workers.submit(batch, _delete, batch)
        while workers.channels:
            for done in workers.finished(ready(workers)):
                for part in done.tag:
                    progress.item(os.path.basename(part)[:12])


def _delete(_report: Report, _place: str, paths: Sequence[str]) -> None:
    _remove(paths)


def _remove(paths: Sequence[str]) -> None:
    """Delete these. Runs confined."""
    for path in paths:
        staging.remove_tree(path)
