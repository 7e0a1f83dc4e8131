"""Reads the changed files of both sides, in one confined child, and compares their contents there.

The child sees the layers and directories that are named and nothing else, reads through `kernel.tree.Tree`,
and gives back bounded text.
"""

import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen

from envforge.compare.contents.forms import Shown, differ
from envforge.compare.model import Content, FileChange
from envforge.errors import SandboxError
from envforge.kernel.tree import NotRegularError, Tree
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids.identity import Identity

FILES_MAX: Final = 2000
"""Files whose contents one comparison reads."""
_FILE_MAX_BYTES: Final = 4 << 20
_ALL_MAX_BYTES: Final = 512 << 20
_LINES_MAX: Final = 100_000
"""Of all files together."""

_Job = tuple[bytes, int | None, int | None]
"""Path, and which of the roots has the older and the newer version."""


@frozen
class Roots:
    """Where the files of one side lie: the root of each layer, by its name; `""` is a plain directory."""

    by_layer: Mapping[str, str]
    upper: str = ""
    """The one that is an upper directory: whoever runs inside may change it while it is read."""


def read(
    identity: Identity,
    old: Roots,
    new: Roots,
    changes: Iterable[FileChange],
    layers_of_old: Mapping[bytes, str],
) -> tuple[tuple[Content, ...], int]:
    """Return how the contents of changed regular files differ, and how many files were left out.

    `layers_of_old` names the layer of the older version of a path that both sides have; `changes` name that
    of the newer one, or of the only one. Raises SandboxError where a file cannot be read.
    """
    roots = sorted({*old.by_layer.values(), *new.by_layer.values()})
    numbers = {root: number for number, root in enumerate(roots)}
    jobs = [
        (
            change.path,
            _root(numbers, old, layers_of_old.get(change.path, change.layer))
            if _is_file(change.old_line)
            else None,
            _root(numbers, new, change.layer) if _is_file(change.new_line) else None,
        )
        for change in changes
        if _differs_inside(change)
    ]
    chosen = [job for job in jobs[:FILES_MAX] if job[1:] != (None, None)]
    if not chosen:
        return (), len(jobs)
    uppers = [one.upper for one in (old, new) if one.upper]
    view = View.of(readable=roots, every_id=bool(uppers))
    try:
        found = call_confined(identity, view, read_here, roots, chosen, [numbers[one] for one in uppers])
    except OSError as error:
        raise SandboxError(
            f"a file cannot be read to compare it: {error.filename}: {error.strerror}",
            hint="`envforge verify` tells whether the store is whole",
        ) from error
    contents = tuple(
        Content(job[0], str(form), tuple(map(str, lines)), bool(cut))
        for job, (form, lines, cut) in zip(chosen, found, strict=False)
    )
    return contents, len(jobs) - len(contents)


def _root(numbers: dict[str, int], side: Roots, layer: str) -> int | None:
    root = side.by_layer.get(layer)
    return None if root is None else numbers[root]


def _is_file(line: bytes | None) -> bool:
    return line is not None and line.startswith(b"f ")


def _differs_inside(change: FileChange) -> bool:
    if change.kind == "changed":
        return "content" in change.causes or "type" in change.causes
    return _is_file(change.old_line) or _is_file(change.new_line)


def read_here(roots: Sequence[str], jobs: Sequence[_Job], changing: Sequence[int] = ()) -> list[Shown]:
    """Return form, lines and whether they were cut of each file. Runs in the confined child.

    Files below the `changing` ones of the roots may be gone or other things by now.
    """
    trees = [Tree(root) for root in roots]
    bytes_left, lines_left = _ALL_MAX_BYTES, _LINES_MAX
    found: list[Shown] = []
    for path, old, new in jobs:
        try:
            before, after = _read(trees, old, path), _read(trees, new, path)
        except OSError:
            if old not in changing and new not in changing:
                raise
            found.append(("changing", ["# it has changed while it was looked at"], True))
            continue
        sizes = [len(one) for one in (before, after) if isinstance(one, bytes)]
        bytes_left -= sum(sizes)
        if bytes_left < 0 or lines_left < 0:
            break
        shown = _compared(path, before, after)
        lines_left -= len(shown[1])
        found.append(shown)
    return found


def _compared(path: bytes, before: bytes | int | None, after: bytes | int | None) -> Shown:
    if isinstance(before, int) or isinstance(after, int):
        sizes = [f"{one if isinstance(one, int) else len(one or b''):,}" for one in (before, after)]
        return "large file", [f"# {' -> '.join(sizes)} bytes, too many to compare"], True
    return differ(os.fsdecode(path), before, after)


def _read(trees: Sequence[Tree], number: int | None, path: bytes) -> bytes | int | None:
    """Return a file's bytes, its size if it is too large, None where that side has no such file."""
    if number is None:
        return None
    try:
        return trees[number].read(path, limit=_FILE_MAX_BYTES, follow=False)
    except NotRegularError as error:
        if error.errno != errno.EFBIG:
            raise  # the listing says that it is a file: somebody has altered the store
        status = trees[number].stat(path, follow=False)
        return status.st_size if status is not None else None
