"""What a layer takes over from those below: overlayfs shows the topmost directory's owner and mode."""

import os
from collections.abc import Mapping, Sequence

from envforge.build.built import Built
from envforge.build.site import Site
from envforge.store import layers, listing
from envforge.store.listing import Entry
from envforge.store.merge import merged


def shown_of(site: Site, below: Sequence[Built]) -> dict[bytes, Entry]:
    """Return the visible entry of each path of these layers, given from top to bottom."""
    texts = [layers.read_listing(site.store, site.held, layer.digest) for layer in below]
    return merged([listing.load(text) for text in texts])


def owners_of(shown: Mapping[bytes, Entry]) -> dict[bytes, Entry]:
    """Return the directories that do not belong to root: a tree held `flat` cannot show whose they are."""
    return {path: entry for path, entry in shown.items() if entry.type == "d" and (entry.uid or entry.gid)}


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
