"""Follows logs as they grow: of one container until it ends, or of several that come, go and start again.

A container's directory is watched: the log grows there, and each new state is renamed into it. A supervisor
that was killed changes nothing there, so now and then its state is looked at all the same.
"""

import heapq
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from envforge.containers import records, truth
from envforge.containers.output.logs import Entry, entries, entries_of, open_all, read, wanted
from envforge.containers.output.watching import Changes
from envforge.containers.records import Container
from envforge.errors import NotFoundError

_LOOK_S: Final = 0.5
_AGAIN_S: Final = 0.25
"""Between two looks at which containers there are, while they write all the time."""
_GRACE_S: Final = 1.0
"""One that `restart` has stopped is there again by then."""


class Line(NamedTuple):
    """A whole line of a container's output, however long it is."""

    container: Container
    time: str
    """RFC 3339 in UTC, with nanoseconds: such times are ordered as texts are."""
    stream: str
    text: bytes
    place: str
    """Its time, or a later one of a line before it: a clock that was set back changes no order."""


class _Assembled:
    """Makes whole lines of entries."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._parts: dict[str, list[Entry]] = {}
        self._latest = ""

    def lines(self, found: Iterable[Entry]) -> Iterator[Line]:
        """Yield the lines that end in these entries."""
        for one in found:
            self._parts.setdefault(one.stream, []).append(one)
            if one.is_whole:
                yield self._line(self._parts.pop(one.stream))

    def rest(self) -> Iterator[Line]:
        """Yield what never ended."""
        for parts in self._parts.values():
            yield self._line(parts)
        self._parts.clear()

    def _line(self, parts: list[Entry]) -> Line:
        text = b"".join(one.text for one in parts)
        self._latest = max(self._latest, parts[0].time)
        return Line(self._container, parts[0].time, parts[0].stream, text, self._latest)


class _Followed:
    """The log of one container, open at where it was read to."""

    def __init__(self, container: Container, last: int | None, since: str) -> None:
        self.container = container
        self.assembled = _Assembled(container)
        self._since = since
        self._files = open_all(container.directory)
        self._first = [*wanted((read(file) for file in self._files), last, since)]

    def more(self) -> Iterator[Entry]:
        """Yield what has come since the last call. The last one of the files is the newest."""
        first, self._first = self._first, []
        yield from first
        for data in self._data():
            yield from (one for one in entries_of(data) if one.time >= self._since)

    def _data(self) -> Iterator[bytes]:
        files = self._files
        if files:
            yield read(files[-1])
        newer = open_all(self.container.directory)
        inodes = [os.fstat(file).st_ino for file in newer]
        mine = os.fstat(files[-1]).st_ino if files else -1
        at = inodes.index(mine) + 1 if mine in inodes else 0
        for file in newer[:at]:
            os.close(file)
        if at < len(newer) and files:
            yield read(files[-1])  # written between our last look and the rotation
            self.close()
        for file in newer[at:]:
            files.append(file)
            yield read(file)

    def close(self) -> None:
        """Close its files."""
        for file in self._files:
            os.close(file)
        self._files.clear()


def follow(container: Container, *, last: int | None = None, since: str = "") -> Iterator[Entry | None]:
    """Yield what `entries` does, then what comes, until it ends; None where nothing comes for the moment."""
    followed = _Followed(container, last, since)
    try:
        with Changes() as changes:
            changes.watch(container.directory)
            while True:
                is_over = not _is_live(container)  # before the last look: nothing comes after it
                some = False
                for one in followed.more():
                    some = True
                    yield one
                if is_over:
                    return
                if not some:
                    yield None
                    changes.wait(_LOOK_S)
    finally:
        followed.close()


def _is_live(container: Container) -> bool:
    try:
        return truth.checked(records.read(container.store, container.id)).is_live
    except NotFoundError:
        return False


def merged(containers: Iterable[Container], *, last: int | None = None, since: str = "") -> Iterator[Line]:
    """Yield the lines that several containers have written, by time; `last` counts for each of them."""
    return heapq.merge(*(_lines(one, last, since) for one in containers), key=lambda line: line.place)


def _lines(container: Container, last: int | None, since: str) -> Iterator[Line]:
    assembled = _Assembled(container)
    yield from assembled.lines(entries(container, last=last, since=since))
    yield from assembled.rest()


def follow_all(
    find: Callable[[], list[Container]], store: str, *, last: int | None = None, since: str = ""
) -> Iterator[Line | None]:
    """Yield likewise, then what comes, until none of them has run for a second; None where nothing comes.

    `find` says again and again which containers are meant: new ones are followed from their beginning.
    """
    with Changes() as changes:
        changes.watch(records.top(store))
        following = _Following(find, changes, last, since)
        try:
            while True:
                lines = following.step()
                yield from lines
                if following.is_over():
                    return
                if not lines:
                    yield None
                    changes.wait(_LOOK_S)
        finally:
            following.close()


class _Following:
    """The logs that `follow_all` has open."""

    def __init__(
        self, find: Callable[[], list[Container]], changes: Changes, last: int | None, since: str
    ) -> None:
        self._find = find
        self._changes = changes
        self._last = last
        self._since = since
        self._followed: dict[str, _Followed] = {}
        self._looked = 0.0
        self._lived = time.monotonic()

    def step(self) -> list[Line]:
        """Return the lines that have come since the last call, by time."""
        now = time.monotonic()
        gone: list[_Followed] = []
        if now - self._looked >= _AGAIN_S:
            gone = self._look(now)
        lines = [
            line for one in (*self._followed.values(), *gone) for line in one.assembled.lines(one.more())
        ]
        for one in gone:
            lines += one.assembled.rest()
            one.close()
        return sorted(lines, key=lambda line: line.place)

    def _look(self, now: float) -> list[_Followed]:
        """Look which containers there are; return those that are gone."""
        found = {one.id: one for one in self._find()}
        for identifier, container in found.items():
            if identifier not in self._followed:
                self._changes.watch(container.directory)
                self._followed[identifier] = _Followed(container, self._last, self._since)
        self._last = None  # of those that come later, everything is new
        self._looked = now
        if any(one.is_live for one in found.values()):
            self._lived = now
        return [self._followed.pop(one) for one in {*self._followed} - {*found}]

    def is_over(self) -> bool:
        """Say whether none has run for a while."""
        return self._looked - self._lived > _GRACE_S

    def close(self) -> None:
        """Close all files."""
        for one in self._followed.values():
            one.close()
