"""Names in archives: believed only where they lead nowhere but downward."""

import os

from envforge.errors import ArchiveError


def parts(name: bytes) -> list[bytes]:
    """Return the components of a member's name, none for the top; a leading `/` or `./` counts for nothing.

    Raises ArchiveError for a name with `..` or a NUL in it.
    """
    if b"\0" in name:
        raise ArchiveError(f"it contains the impossible name {shown(name)}")
    found = [part for part in name.split(b"/") if part not in {b"", b"."}]
    if b".." in found:
        raise ArchiveError(f"it contains {shown(name)}, which leads upward")
    return found


def shown(name: bytes) -> str:
    """Return a name for messages, shortened and with control characters escaped."""
    return repr(os.fsdecode(name[:200]))
