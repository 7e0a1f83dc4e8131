"""Paths of package files: from a member's name in the archive to its path under merged /usr. Pure."""

import os
from typing import Final

from envforge import usrmerge
from envforge.errors import ArchiveError

MERGED: Final = tuple(map(os.fsencode, usrmerge.LINKS))
"""Names of the top-level links into usr/."""
_MERGED: Final = frozenset(MERGED)


def relative_name(name: bytes) -> bytes:
    """Return a member's name without leading `./` and trailing `/`; empty for the root.

    Raises ArchiveError for absolute names, `..`, NUL and newline, which would break dpkg's lists of names.
    """
    if name.startswith(b"./"):
        name = name[2:]
    name = name.rstrip(b"/") if not name.startswith(b"/") else name
    if (
        b"/." not in name
        and b"//" not in name
        and b"\0" not in name
        and b"\n" not in name
        and name[:1] not in (b".", b"/")
    ):
        return name
    if name.startswith(b"/"):
        raise ArchiveError(f"it contains the absolute path {shown(name)}")
    if b"\0" in name or b"\n" in name:
        raise ArchiveError(f"it contains the impossible path {shown(name)}")
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise ArchiveError(f"it contains the path {shown(name)}, which leaves its tree")
    return b"/".join(parts)


def merged(path: bytes, kind: str) -> bytes:
    """Return a member's path under merged /usr. The links /bin, /lib, … themselves stay in place."""
    top, slash, _ = path.partition(b"/")
    if top in _MERGED and (slash or kind == "directory"):
        return b"usr/" + path
    return path


def shown(name: bytes) -> str:
    """Return a name for a message."""
    return repr(os.fsdecode(name))
