"""Measures the space that directories of the store take. What never changes is measured once.

    upkeep/sizes.json    {"format", "sizes": {path below the store: [bytes, inodes]}} of layers and trees, of
                         those in the trash too

A farm's files are links to those of trees: whoever has a file under more names than lie inside the measured
directory leaves it to the others. So a tree has its files, a layer only what is no tree's, and the sizes of
all things add up to what du(1) says. It only asks for the status of files, in a process that sees the store
and may look into directories of every id.
"""

import json
import os
import stat
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from envforge import whole_file
from envforge.build.workers import Cell, Report, Workers, ready
from envforge.progress import Progress
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids.identity import Identity
from envforge.store.layout import Store
from envforge.store.staging import collected_at
from envforge.upkeep.model import Kind, Size, Thing
from envforge.upkeep.things import directories

_FORMAT: Final = 1
_BLOCK: Final = 512
_LASTING: Final = (Kind.LAYER, Kind.TREE)
_BATCH: Final = 50
"""Directories that one job measures."""
_MANY: Final = 500
"""So many directories take a second to measure."""
PASSING: Final = ("uppers", "staging", "partial", "trash")
"""Folders that are measured as a whole, each time."""


def measured(
    store: Store, identity: Identity, things: Sequence[Thing], progress: Progress
) -> dict[str, Size]:
    """Return the space of every layer, tree and tool, and of the folders in `PASSING`, by path.

    What vanishes meanwhile is left out.
    """
    known = _read(store)
    lasting = {one.path: known.get(one.path) for one in things if one.kind in _LASTING}
    trashed = {path: known.get(path, known.get(before)) for path, before in _trashed(store)}
    lasting |= trashed
    new = [path for path, size in lasting.items() if size is None]
    if len(new) > _MANY:
        progress.stage("measuring", total_items=len(new), unit="layers and packages")
    passing = [*(one.path for one in things if one.kind is Kind.TOOL), *PASSING]
    found = _measured(store, identity, new, progress)
    lasting |= {path: found[path] for path in new if path in found}
    kept = {path: size for path, size in lasting.items() if size is not None}
    found |= _measured(store, identity, passing, progress, apart=[path for path in trashed if path in kept])
    found["trash"] = sum((kept[path] for path in trashed if path in kept), found.get("trash", Size()))
    if kept != known:
        _write(store, kept)
    return kept | found


def _trashed(store: Store) -> Iterator[tuple[str, str]]:
    """Yield the paths of layers and trees that collections have moved to the trash: now, and before."""
    for name in os.listdir(f"{store.path}/trash"):
        if collected_at(name) is not None:
            for _, path in directories(f"{store.path}/trash/{name}"):
                yield f"trash/{name}/{path}", path


def _measured(
    store: Store, identity: Identity, paths: Sequence[str], progress: Progress, apart: Sequence[str] = ()
) -> dict[str, Size]:
    """Have directories measured, without those `apart`; many of them by a worker on each processor."""
    if not paths:
        return {}
    shown = [f"{store.path}/{name}" for name in sorted({path.partition("/")[0] for path in paths})]
    said: dict[str, list[int]] = {}
    if len(paths) <= _MANY:
        said = call_confined(
            identity, View.of(readable=shown, every_id=True), measure, store.path, list(paths), apart
        )
    else:
        view = lambda own: View.of(readable=shown, writable=[own], every_id=True)  # noqa: E731
        with Workers(os.cpu_count() or 1, Cell(store, identity, view)) as workers:
            for at in range(0, len(paths), _BATCH):
                workers.submit(None, _measure_job, store.path, list(paths[at : at + _BATCH]))
            while workers.channels:
                for done in workers.finished(ready(workers)):
                    said |= done.value
                    for path in done.value:
                        progress.item(os.path.basename(path)[:12])
    return {path: Size(int(size_bytes), int(inodes)) for path, (size_bytes, inodes) in said.items()}


def _measure_job(_report: Report, _place: str, top: str, paths: Sequence[str]) -> dict[str, list[int]]:
    return measure(top, paths)


def measure(top: str, paths: Iterable[str], apart: Iterable[str] = ()) -> dict[str, list[int]]:
    """Return bytes and inodes of each path below `top`, without what is `apart` below `top` as well.

    What vanishes is left out. Runs confined.
    """
    found = {}
    left_out = {f"{top}/{path}" for path in apart}
    for path in paths:
        with suppress(FileNotFoundError):
            found[path] = _measure(f"{top}/{path}", left_out, owns=f"/{Kind.TREE}/" in f"/{path}")
    return found


def _measure(path: str, left_out: Container[str], *, owns: bool) -> list[int]:
    """Return bytes and inodes of a file or directory, of files with names elsewhere if it `owns` them."""
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        return [status.st_blocks * _BLOCK, 1] if status.st_nlink == 1 else [0, 0]
    blocks, inodes = status.st_blocks, 1
    linked: dict[int, list[int]] = {}
    waiting = [path]
    while waiting:
        for entry in _entries(waiting.pop()):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # a sandbox changes it meanwhile
            if entry.is_dir(follow_symlinks=False):
                if entry.path in left_out:
                    continue
                waiting.append(entry.path)
            elif status.st_nlink > 1:
                linked.setdefault(status.st_ino, [status.st_nlink, status.st_blocks, 0])[2] += 1
                continue
            blocks += status.st_blocks
            inodes += 1
    for names, its_blocks, seen in linked.values():
        if owns or names == seen:
            blocks += its_blocks
            inodes += 1
    return [blocks * _BLOCK, inodes]


def _entries(path: str) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _read(store: Store) -> dict[str, Size]:
    """Return the sizes that are known; none where the file is damaged: it is made again."""
    try:
        with open(_path(store), "rb") as file:
            document = json.load(file)
        if document["format"] != _FORMAT:
            return {}
        return {path: Size(int(size), int(inodes)) for path, (size, inodes) in document["sizes"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write(store: Store, sizes: dict[str, Size]) -> None:
    document = {
        "format": _FORMAT,
        "sizes": {path: [size.size_bytes, size.inodes] for path, size in sorted(sizes.items())},
    }
    with suppress(OSError):  # a store that is full, or read-only, is measured again
        whole_file.write(_path(store), json.dumps(document).encode(), mode=0o644, durable=False)


def _path(store: Store) -> str:
    return f"{store.path}/upkeep/sizes.json"
