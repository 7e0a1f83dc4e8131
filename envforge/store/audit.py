"""Verifies a layer on disk against its listing: finds what was altered since it was published.

Every file is read and hashed, for an unchanged mtime proves nothing. Runs in a namespace where `lstat` gives
inside ids. A layer held by a single id (`flat`) stores no owners, devices or attributes: there only types,
sizes, contents, link targets and times are compared. Hard links never are: a farm makes and breaks them.
"""

import os
from collections.abc import Iterator
from typing import Any, Final

from envforge.kernel.tree import Tree
from envforge.store import listing
from envforge.store.listing import Entry
from envforge.store.scan import scan

_NOWHERE: Final = frozenset(("w",))
"""Types without mode, owner and time of their own: whiteouts."""


def altered(directory: str, digest: str, held: str) -> list[list[str]]:
    """Return path and cause of each difference in the layer at `directory` (`root/` and `listing`).

    The cause is `missing`, `new`, `type`, `content`, `mode`, `owner`, `time` or `attributes`. If the listing
    itself does not hash to `digest`, the result is just `["/", "listing"]`.
    """
    with Tree(directory) as tree:
        text = tree.read("/listing", limit=listing.MAX_BYTES, follow=False)
    if listing.digest(text) != digest:
        return [["/", "listing"]]
    on_disk = {entry.path: entry for entry in scan(f"{directory}/root")}
    return [[os.fsdecode(path), cause] for path, cause in differences(text, on_disk, flat=held == "flat")]


def differences(text: bytes, on_disk: dict[bytes, Entry], *, flat: bool) -> Iterator[tuple[bytes, str]]:
    """Yield path and cause of each difference between a listing and the entries on disk. Pure."""
    listed = {entry.path: entry for entry in listing.iterate(text)}
    for path in sorted(listed.keys() | on_disk.keys()):
        cause = _cause(listed.get(path), on_disk.get(path), flat=flat)
        if cause:
            yield path, cause


def _cause(listed: Entry | None, found: Entry | None, *, flat: bool) -> str:
    if listed is None:
        return "new"
    if found is None:
        return "missing"
    if flat and listed.device is not None:
        return ""
    if listed.type != found.type:
        return "type"
    compared: dict[str, tuple[Any, Any]] = {"content": (_content(listed), _content(found))}
    if not flat and listed.type not in _NOWHERE:
        compared["mode"] = (listed.mode, found.mode)
        compared["owner"] = ((listed.uid, listed.gid), (found.uid, found.gid))
        compared["attributes"] = (listed.xattrs, found.xattrs)
    if listed.type not in _NOWHERE:
        compared["time"] = (listed.mtime, found.mtime)
    return next((name for name, (before, after) in compared.items() if before != after), "")


def _content(entry: Entry) -> tuple[bytes, int | None]:
    return entry.content, entry.size
