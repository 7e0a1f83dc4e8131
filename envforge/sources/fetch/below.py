"""Finds the part of the layers below that a fetched file's layer depends on: its key has that part. Pure.

overlayfs shows owner and mode of the topmost directory, and links decide where a path leads. So the key
covers the directories above the target and, if an archive is unpacked, all directories and links below it.
For `/opt/tool` that is next to nothing: the layer is reused whatever else the environment has.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping

from envforge.store import listing
from envforge.store.listing import Entry
from envforge.store.merge import resolve

_SHAPING = frozenset("dol")


def place_of(shown: Mapping[bytes, Entry], target: str) -> bytes:
    """Return the real path of a target, links on the way followed. Raises SandboxError for a loop."""
    return resolve(shown, os.fsencode(target))


def shape(shown: Mapping[bytes, Entry], place: bytes, *, unpack: bool) -> str:
    """Return the SHA-256 of the entries that a layer with files at the place, or below it, depends on."""
    lines = hashlib.sha256(listing.escape(place) + b"\n")
    for entry in sorted(_relevant(shown, place, unpack=unpack), key=lambda entry: entry.path):
        lines.update(listing.format_entry(entry))
    return lines.hexdigest()


def _relevant(shown: Mapping[bytes, Entry], place: bytes, *, unpack: bool) -> Iterable[Entry]:
    above = place
    while above != b"/":
        if above in shown and (above != place or shown[above].type in _SHAPING):
            yield shown[above]
        above = os.path.dirname(above)
    if b"/" in shown:
        yield shown[b"/"]
    if unpack:
        inside = place.rstrip(b"/") + b"/"
        for path, entry in shown.items():
            if path.startswith(inside) and path != b"/" and entry.type in _SHAPING:
                yield entry


def overlap(one: str, other: str) -> bool:
    """Return whether one place is the other, or lies in it."""
    first, second = one.rstrip("/") + "/", other.rstrip("/") + "/"
    return first.startswith(second) or second.startswith(first)
