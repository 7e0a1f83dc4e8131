"""dpkg's own check of an environment, from listings alone: each package's files are there as it shipped them.

Conffiles are the user's. A file that a diversion moved is looked for where it was moved to. What scripts are
known to change or remove is in `sources/debian/quirks/changing.py`, with the reason. Pure.

Where a layer was configured over fewer packages than it is used with, a file of the others may be hidden, or
not be diverted: that is no error but something to be laid into the database layer (`Repair`).
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from envforge.sources.debian.dpkg.names import merged as merged_name
from envforge.store import listing
from envforge.store.listing import Entry
from envforge.store.merge import resolve

_DIRECTORY: Final = b"d "


@frozen
class Shipped:
    """One package of the environment."""

    name: str
    lines: Sequence[bytes]
    """Of its tree's listing."""
    conffiles: frozenset[bytes]
    known: bool
    """The configured layers were made over it."""


@frozen
class Diversion:
    """Files of other packages than `package` at `path` are moved to `target`."""

    path: bytes
    target: bytes
    package: str


@frozen
class Fault:
    """A file that is not there as it was shipped."""

    package: str
    path: bytes
    missing: bool
    """Nothing is there; else it is another file."""


@frozen
class Repair:
    """What the database layer must hold for packages that the configured layers know nothing of."""

    links: Mapping[bytes, tuple[str, bytes]] = field(factory=dict)
    """Path -> package and path in its tree."""
    hidden: tuple[bytes, ...] = ()
    """Paths that a diversion has emptied."""


class Shown(Mapping[bytes, Entry]):
    """What a stack of layers shows: each path's line, parsed only when it is asked for."""

    def __init__(self, layers: Sequence[bytes]) -> None:
        """Merge the listings of layers, top to bottom."""
        self.lines: dict[bytes, bytes] = {}
        for text in reversed(layers):
            self._lay(listing.index(text))

    def _lay(self, layer: Mapping[bytes, bytes]) -> None:
        if not self.lines:
            self.lines = {path: line for path, line in layer.items() if not line.startswith(b"w ")}
            return
        hidden = tuple(
            path.rstrip(b"/") + b"/"
            for path, line in layer.items()
            if not line.startswith(_DIRECTORY) and self.lines.get(path, b"").startswith(_DIRECTORY)
        )
        if hidden:
            self.lines = {path: line for path, line in self.lines.items() if not path.startswith(hidden)}
        for path, line in layer.items():
            if line.startswith(b"w "):
                self.lines.pop(path, None)
            else:
                self.lines[path] = line

    def __getitem__(self, path: bytes) -> Entry:
        return listing.parse_entry(self.lines[path])

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)


def diversions(text: str) -> tuple[Diversion, ...]:
    """Return what dpkg's file `diversions` says, three lines each; paths as they lie when /usr is merged."""
    lines = text.encode("latin-1").splitlines()
    return tuple(
        Diversion(_place(path), _place(target), package.decode())
        for path, target, package in zip(lines[::3], lines[1::3], lines[2::3], strict=False)
    )


def check(
    packages: Sequence[Shipped], shown: Shown, diverted: Iterable[Diversion]
) -> tuple[Repair, list[Fault]]:
    """Return what is to be laid into the database layer, and what is not there though it should be."""
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
    """Note in `links` what a diversion moves of a package; yield what has nothing in its place then."""
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
    """Say whether that file is at a place, whatever its mode, owner and time; links above are followed."""
    above, name = os.path.split(place)
    found = shown.get(place) or shown.get(os.path.join(resolve(shown, above), name))
    return found is not None and (found.type, found.content) == (entry.type, entry.content)


def _others(packages: Sequence[Shipped], lines: Iterable[bytes]) -> dict[bytes, set[bytes]]:
    """Return all that packages ship at the paths of those lines: one replaces another's file."""
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
