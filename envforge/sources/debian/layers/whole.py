"""`dpkg --verify` of an environment from listings alone: are each package's files there as shipped? Pure.

Conffiles are exempt: they are the user's. A diverted file is looked for at its diversion's target. Files that
scripts are known to change or remove are listed in `sources/debian/quirks/changing.py`, with the reason.

A layer may be used with more packages than it was configured over: then it may hide files of the others, or
its diversions may not have moved them. That is no error: the database layer repairs it (`Repair`).
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from envforge.sources.debian.dpkg.names import merged as merged_name
from envforge.store import listing
from envforge.store.listing import Entry
from envforge.store.merge import Shown, resolve

_DIRECTORY: Final = b"d "
_ALTERNATIVES: Final = b"/etc/alternatives/"


@frozen
class Shipped:
    """One package of the environment."""

    name: str
    lines: Sequence[bytes]
    """Lines of its tree's listing."""
    conffiles: frozenset[bytes]
    known: bool
    """A configured layer was made over it: what differs is a fault, not to be repaired."""


@frozen
class Diversion:
    """Files of other packages than `package` at `path` are moved to `target`."""

    path: bytes
    target: bytes
    package: str


@frozen
class Fault:
    """A file that is missing, or not as it was shipped."""

    package: str
    path: bytes
    missing: bool
    """Nothing is at the path; else another file is."""


@frozen
class Repair:
    """What the database layer must hold for packages that no configured layer was made over."""

    links: Mapping[bytes, tuple[str, bytes]] = field(factory=dict)
    """Path -> package and path in its tree."""
    hidden: tuple[bytes, ...] = ()
    """Paths to white out: a diversion moved their file away."""


def diversions(text: str) -> tuple[Diversion, ...]:
    """Return the diversions of dpkg's file `diversions`, three lines each; paths under merged /usr."""
    lines = text.encode("latin-1").splitlines()
    return tuple(
        Diversion(_place(path), _place(target), package.decode())
        for path, target, package in zip(lines[::3], lines[1::3], lines[2::3], strict=False)
    )


def check(
    packages: Sequence[Shipped], shown: Shown, diverted: Iterable[Diversion]
) -> tuple[Repair, list[Fault]]:
    """Return the repair for the database layer, and the files that are missing or changed."""
    moved = {one.path: one for one in diverted}
    there = frozenset(shown.lines.values())
    links: dict[bytes, tuple[str, bytes]] = {}
    faults: list[tuple[Fault, bytes]] = []
    hidden = [
        path for package in packages if not package.known for path in _emptied(package, shown, moved, links)
    ]
    for package in packages:
        for line in package.lines:
            if line in there or line.startswith(_DIRECTORY):
                continue
            entry = listing.parse_entry(line)
            place = _place_of(package, entry, moved)
            if place in links or entry.path in package.conffiles or _is_at(shown, place, entry):
                continue
            if package.known:
                faults.append((Fault(package.name, entry.path, place not in shown), line))
            elif place not in shown:
                links[place] = (package.name, entry.path)
    others = _others(packages, [line for _, line in faults]) if faults else {}
    kept = [fault for fault, _ in faults if shown.lines.get(fault.path) not in others.get(fault.path, ())]
    return Repair(links, tuple(hidden)), kept


def _emptied(
    package: Shipped,
    shown: Shown,
    moved: Mapping[bytes, Diversion],
    links: dict[bytes, tuple[str, bytes]],
) -> Iterator[bytes]:
    """Add a package's diverted files to `links`, at the diversions' targets; yield the paths to white out."""
    own = {listing.unescape(line.rpartition(b" ")[2]): line for line in package.lines} if moved else {}
    for path in moved.keys() & own.keys():
        diversion = moved[path]
        if diversion.package == package.name:
            continue
        if diversion.target not in shown:
            links[diversion.target] = (package.name, path)
        if shown.lines.get(path) == own[path]:
            yield path


def _place_of(package: Shipped, entry: Entry, moved: Mapping[bytes, Diversion]) -> bytes:
    diversion = moved.get(entry.path)
    if diversion is None or diversion.package == package.name:
        return entry.path
    return diversion.target


def _is_at(shown: Shown, place: bytes, entry: Entry) -> bool:
    """Return whether a place has an entry's type and content, not its metadata; links above are followed.

    A link may have become an alternative's: update-alternatives(1) takes the place of links, of nothing else.
    """
    above, name = os.path.split(place)
    found = shown.get(place) or shown.get(os.path.join(resolve(shown, above), name))
    if found is None or found.type != entry.type:
        return False
    return found.content == entry.content or (entry.type == "l" and found.content.startswith(_ALTERNATIVES))


def _others(packages: Sequence[Shipped], lines: Iterable[bytes]) -> dict[bytes, set[bytes]]:
    """Return the lines of all packages at the paths of `lines`: one may replace another's file."""
    ends = {line.rpartition(b" ")[2] for line in lines}
    found: dict[bytes, set[bytes]] = {}
    for package in packages:
        for line in package.lines:
            end = line.rpartition(b" ")[2]
            if end in ends:
                found.setdefault(listing.unescape(end), set()).add(line)
    return found


def _place(path: bytes) -> bytes:
    return b"/" + merged_name(path[1:], "file")
