"""Unpacks a tar stream: the receiving end of `cp`, on either side. The archive may be hostile (`writing.py`).

It needs no /proc, and imports nothing late.
"""

import os
import stat
from itertools import chain
from typing import Any, Final

from attrs import evolve

from envforge.archives import names
from envforge.archives.streams import open_pipe
from envforge.archives.tar import TarReader
from envforge.containers.files.places import Landing, Place, There, landing
from envforge.containers.files.writing import Owner, Writer
from envforge.errors import ArchiveError, ConflictError, NotFoundError
from envforge.kernel.tree import Tree

_LIMIT_BYTES: Final = 1 << 62
"""What bounds an archive is the free space of the target."""
_IN_MEMORY: Final = ("/tmp", "/run", "/dev")  # noqa: S108  # inside a sandbox


def unpack(
    source: int, target: Place, name: str | None, owner: Owner | None = None, *, keeps_memory: bool = True
) -> dict[str, Any]:
    """Unpack what `pack` writes, whose first member has that name; without a name, an archive into `target`.

    Return how many files (or links) and bytes there were. Without `owner`, all belongs to the caller.
    `keeps_memory`: what is written to /tmp and the like stays there for a while. Raises ArchiveError,
    ConflictError, NotFoundError, OSError.
    """
    reader = TarReader(open_pipe(source), limit_bytes=_LIMIT_BYTES, file_max_bytes=_LIMIT_BYTES)
    members = iter(reader)
    if name is None:
        place = _into(target)
    else:
        first = next(members, None)
        if first is None:
            raise ArchiveError("it is empty")
        place = _as(target, name, is_directory=first.kind == "directory")
        members = chain([first], members)
    with _tree(place.above) as tree:
        if not keeps_memory:
            _refuse_memory(tree)
        writer = Writer(tree, owner)
        try:
            for member in members:
                writer.add(member, path_of(member.name, name, place.name), reader.content())
        finally:
            writer.finish()
    return {"files": writer.files, "bytes": writer.size_bytes}


def path_of(member: bytes, name: str | None, new_name: str) -> bytes:
    """Return where a member comes to lie below the directory; its first component is another one there.

    Raises ArchiveError for a member that is not below `name`.
    """
    parts = names.parts(member)
    if name is None:
        return b"/".join(parts)
    top = names.parts(os.fsencode(name))
    if parts[: len(top)] != top:
        raise ArchiveError(f"it contains {names.shown(member)}, which was not asked for")
    return b"/".join([*filter(None, [os.fsencode(new_name)]), *parts[len(top) :]])


def _into(target: Place) -> Landing:
    real = os.path.realpath(target.path)
    there = _there(real)
    if there == "nothing":
        raise NotFoundError(f"there is no directory {target.path}", hint="make it first")
    if there != "directory":
        raise ConflictError(f"{target.path} is no directory", hint="an archive is unpacked into one")
    return Landing(real, "")


def _as(target: Place, name: str, *, is_directory: bool) -> Landing:
    real = os.path.realpath(target.path)
    return landing(name, evolve(target, path=real), _there(real), is_directory=is_directory)


def _there(path: str) -> There:
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "nothing"
    if stat.S_ISDIR(mode):
        return "directory"
    return "file" if stat.S_ISREG(mode) else "other"


def _tree(above: str) -> Tree:
    try:
        return Tree(above)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"there is no directory {above}", hint="make it first") from None


def _refuse_memory(tree: Tree) -> None:
    in_memory = {os.stat(path).st_dev for path in _IN_MEMORY} - {os.stat("/").st_dev}
    if os.fstat(tree.descriptor).st_dev in in_memory:
        raise ConflictError(
            f"{tree.name} lies in memory while the container runs: what is copied there now would be lost",
            hint="start the container first",
        )
