"""Reads the sources of `[[files]]`, from the project or from outside with the user's consent.

Code in a sandbox can write the project. So sources are opened with O_PATH beneath the project's directory, no
link leads out of it, and only regular files and directories are opened for reading. openat2(2).
"""

import os
import stat
from collections.abc import Iterator, Sequence
from typing import Final

from envforge.build.site import ProjectFiles
from envforge.errors import SpecError
from envforge.kernel import syscalls
from envforge.sources.files.placed import Placed
from envforge.sources.project_files import explained, open_source, reopened
from envforge.spec.model import LocalFile

CONTENT_MAX_BYTES: Final = 256 << 20
"""Limit of all files together, which are held in memory. Mounts are the way for more."""

_EXECUTABLE: Final = 0o755
_PLAIN: Final = 0o644


def read_files(project: ProjectFiles, files: Sequence[LocalFile]) -> tuple[Placed, ...]:
    """Return the files that `[[files]]` name, directories with all they hold, sorted by target.

    Raises SpecError for a source that is missing, unreadable, leads out of the project, is neither file,
    directory nor link, or for more than CONTENT_MAX_BYTES in all.
    """
    found: dict[str, Placed] = {}
    total = 0
    for file in files:
        for placed in _read(project, file, CONTENT_MAX_BYTES - total):
            found[placed.target] = placed
            total += len(placed.content)
    return tuple(found[target] for target in sorted(found))


def sources(directory: str, files: Sequence[LocalFile]) -> tuple[str, ...]:
    """Return every path that `read_files` looks at, to be watched; a directory's mtime shows new names."""
    found = []
    for file in files:
        source = os.path.join(directory, file.source)
        found.append(source)
        for above, names, others in os.walk(source):
            found += (os.path.join(above, name) for name in (*names, *others))
    return tuple(found)


def _read(project: ProjectFiles, file: LocalFile, limit: int) -> Iterator[Placed]:
    mode = int(file.mode, 8) if file.mode else None
    try:
        top = open_source(project, file.source)
        try:
            yield from _placed(top, file, mode, limit)
        finally:
            os.close(top)
    except OSError as error:
        raise explained(f"[[files]] source {file.source!r}", error) from error


def _placed(top: int, file: LocalFile, mode: int | None, limit: int) -> Iterator[Placed]:
    """Yield the file or directory at the descriptor and all below it, without recursion, however deep."""
    waiting = [""]
    left = limit
    while waiting:
        below = waiting.pop()
        place = _open(top, below)
        try:
            placed = _one(place, file, below, mode, left)
            left -= len(placed.content)
            if placed.type == "d":
                waiting += (f"{below}/{name}".lstrip("/") for name in _names(place))
        finally:
            os.close(place)
        yield placed


def _open(top: int, below: str) -> int:
    """Return an O_PATH descriptor of `below`, of a link itself; the directories above may be no links."""
    if not below:
        return os.dup(top)
    above, name = os.path.split(below)
    resolve = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS
    if not above:
        return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    directory = syscalls.open_resolved(above, os.O_PATH | os.O_DIRECTORY, resolve, directory=top)
    try:
        return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    finally:
        os.close(directory)


def _names(place: int) -> list[str]:
    directory = reopened(place, os.O_DIRECTORY)
    try:
        return sorted(os.listdir(directory))
    finally:
        os.close(directory)


def _one(place: int, file: LocalFile, below: str, mode: int | None, left: int) -> Placed:
    status = os.fstat(place)
    target = f"{file.target.rstrip('/')}/{below}".rstrip("/")
    if stat.S_ISDIR(status.st_mode):
        return Placed(target, "d", _EXECUTABLE, b"")
    if stat.S_ISLNK(status.st_mode):
        return Placed(target, "l", 0o777, os.readlink(b"", dir_fd=place))
    if not stat.S_ISREG(status.st_mode):
        raise SpecError(
            f"[[files]]: {os.path.join(file.source, below)} is neither a file, a directory nor a link",
            hint="take it out of the spec",
        )
    usual = _EXECUTABLE if status.st_mode & stat.S_IXUSR else _PLAIN
    return Placed(target, "f", usual if mode is None else mode, _content(place, file, left))


def _content(place: int, file: LocalFile, left: int) -> bytes:
    with open(reopened(place), "rb") as opened:
        content = opened.read(left + 1)
    if len(content) > left:
        raise SpecError(
            f"[[files]] source {file.source!r}: all files together have more than {CONTENT_MAX_BYTES} bytes",
            hint="mount it instead: [[mounts]]",
        )
    return content
