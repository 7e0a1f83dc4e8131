"""Where `cp` copies from and to: paths as they are written, and what comes to lie where (docker cp(1)).

Pure: what is at the target is a word that the caller has found out.
"""

import os.path
from typing import Final, Literal

from attrs import frozen

from envforge.errors import ConflictError, NotFoundError

There = Literal["nothing", "file", "directory", "other"]
"""What is at a target, links followed; `other` is a device, a pipe or a socket."""

_INTO: Final = "envforge cp copies a directory to a directory, or makes one"


@frozen
class Place:
    """A path as somebody wrote it."""

    path: str
    """Absolute and clean, without a slash at its end."""
    directory: bool
    """It was written as a directory, with a slash at its end: a link there is followed."""
    contents: bool
    """`DIR/.`, or the root: what is in it is meant, not itself."""

    @property
    def name(self) -> str:
        """Its last component; `.` where what is in it is meant."""
        return "." if self.contents else os.path.basename(self.path)


@frozen
class Landing:
    """Where something comes to lie: under which name of which directory, or (no name) as what is in it."""

    above: str
    name: str


def place_of(text: str, directory: str = "/") -> Place:
    """Return what a path means, seen from a directory."""
    path = "/" + os.path.normpath(os.path.join(directory, text)).lstrip("/")
    last = text.rpartition("/")[2]
    contents = last == "." or path == "/"
    return Place(path, contents or last in {"", ".."}, contents)


def landing(source_name: str, target: Place, there: There, *, is_directory: bool) -> Landing:
    """Return where the source comes to lie; its name is `.` where only what is in it is copied.

    Raises NotFoundError for a directory that has to be there, ConflictError for what is in the way.
    """
    above, name = os.path.split(target.path)
    if there == "directory":
        return Landing(target.path, "" if source_name == "." else source_name)
    if there == "other":
        raise ConflictError(f"{target.path} is neither file nor directory", hint="choose another target")
    if is_directory:
        if there == "file":
            raise ConflictError(f"{target.path} is a file: no directory can take its place", hint=_INTO)
        return Landing(above, name)
    if target.directory:
        if there == "file":
            raise ConflictError(
                f"{target.path} is no directory", hint="write it without the slash at its end"
            )
        raise NotFoundError(f"there is no directory {target.path}", hint="make it first")
    return Landing(above, name)
