"""Copies owner and mode of directories from the lower layers: overlayfs shows the topmost directory's."""

import os
from collections.abc import Mapping

from envforge.store.listing import Entry


def make_parents(root: str, path: bytes, shown: Mapping[bytes, Entry], *, chown: bool) -> None:
    """Make the directories above `path` (absolute inside, no links on the way) in the tree at `root`."""
    top = os.fsencode(root)
    parts = path.strip(b"/").split(b"/")[:-1]
    for index in range(len(parts) + 1):
        inside = b"/" + b"/".join(parts[:index])
        directory = top + inside
        if index and not os.path.isdir(directory):
            os.mkdir(directory, 0o755)
        match_below(directory, shown.get(inside), chown=chown)


def match_below(directory: bytes, below: Entry | None, *, chown: bool) -> None:
    """Give a directory the owner and mode of the lower layers' one, if there is one."""
    if below is None or below.type not in {"d", "o"}:
        return
    if chown:
        os.chown(directory, below.uid, below.gid)
    os.chmod(directory, below.mode)
