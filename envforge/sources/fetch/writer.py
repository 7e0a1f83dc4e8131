"""Writes fetched files into the empty tree of a layer, and nowhere else.

The tree has no other writer, and every directory on the way to a file is made here. Links are resolved in the
listings of the layers below, so the kernel never has one to follow.
"""

import os
from collections.abc import Iterable
from typing import Final

from envforge.build.parents import match_below
from envforge.errors import ArchiveError, BuildError
from envforge.store.listing import DIRECTORY_MTIME, Entry
from envforge.store.merge import resolve
from envforge.whole_file import write_all

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY: Final = 0o755
_NANOSECONDS: Final = 1_000_000_000
Shown = dict[bytes, Entry]


class Writer:
    """The tree of one layer while it is written."""

    def __init__(self, root: str, shown: Shown, place: bytes, *, chown: bool) -> None:
        """Prepare to write at `place` or in it, into the tree at `root`, an empty directory.

        `shown` is the merged view of the layers below; entries written here are added to it. `chown`:
        directories get the owners of those that they cover.
        """
        self._root = root
        self._shown = shown
        self._place = place
        self._chown = chown
        match_below(os.fsencode(root), shown.get(b"/"), chown=chown)
        self._directories = {b"/"}
        self._places: dict[bytes, bytes] = {}
        """Real paths of the archive's directories, as far as they were looked up."""

    def path(self, name: bytes) -> bytes:
        """Return the path inside of a name of the archive (relative, without `..`), links above it followed.

        Raises ArchiveError if that is outside the place.
        """
        above, _, last = name.rpartition(b"/")
        return self._led(above).rstrip(b"/") + b"/" + last if last else self._led(above)

    def directory(self, name: bytes) -> None:
        """Make a directory, or take the one that is there."""
        path = self._led(name)
        if path not in self._directories:
            self._make_room(path, is_directory=True)
            self._make_directory(path)

    def file(self, path: bytes, pieces: Iterable[bytes | memoryview], mode: int, mtime: int) -> None:
        """Write a file: the pieces are its content."""
        self._make_room(path)
        descriptor = os.open(self._full(path), _CREATE, 0o600)
        try:
            for piece in pieces:
                write_all(descriptor, piece)
            self._own(path)
            os.fchmod(descriptor, mode)
            os.utime(descriptor, ns=(mtime * _NANOSECONDS,) * 2)
        finally:
            os.close(descriptor)
        self._shown[path] = Entry(path, "f", mode)

    def symlink(self, path: bytes, target: bytes, mtime: int) -> None:
        """Make a symbolic link, to anything."""
        if not target or b"\0" in target:
            raise ArchiveError(f"the link {os.fsdecode(path)} has the impossible target {target!r}")
        self._make_room(path)
        os.symlink(target, self._full(path))
        self._own(path)
        os.utime(self._full(path), ns=(mtime * _NANOSECONDS,) * 2, follow_symlinks=False)
        self._shown[path] = Entry(path, "l", 0o777, content=target)
        self._places.clear()

    def hard_link(self, path: bytes, other: bytes) -> None:
        """Make a further name of a file that was written before."""
        entry = self._shown.get(other)
        if entry is None or entry.type != "f" or not os.path.lexists(self._full(other)):
            raise ArchiveError(f"{os.fsdecode(path)} is a hard link to {os.fsdecode(other)}, no file of it")
        if path == other:
            return
        self._make_room(path)
        os.link(self._full(other), self._full(path), follow_symlinks=False)
        self._shown[path] = entry

    def finish(self) -> None:
        """Give every directory the format's constant time."""
        time = (DIRECTORY_MTIME * _NANOSECONDS,) * 2
        for above, _, _ in os.walk(os.fsencode(self._root), topdown=False):
            os.utime(above, ns=time)

    def _led(self, name: bytes) -> bytes:
        """Return the real path of a directory of the archive. Raises ArchiveError outside of the place."""
        known = self._places.get(name)
        if known is None:
            known = self._places[name] = resolve(self._shown, self._place + b"/" + name)
            inside = self._place.rstrip(b"/") + b"/"
            if known != self._place and not known.startswith(inside):
                del self._places[name]
                raise ArchiveError(
                    f"{os.fsdecode(name)} would lie at {os.fsdecode(known)}, outside of the target",
                    hint="a link in it, or below it in the environment, leads there; choose a higher target",
                )
        return known

    def _make_room(self, path: bytes, *, is_directory: bool = False) -> None:
        """Make the directories above `path`, and free it. Raises BuildError for a directory in the way."""
        above = os.path.dirname(path)
        if above not in self._directories:
            for one in self._missing(above):
                self._make_directory(one)
        there = self._shown.get(path)
        if there is None or is_directory:
            if is_directory and there is not None and there.type not in {"d", "o"}:
                self._remove(path)
            return
        if there.type in {"d", "o"}:
            raise BuildError(
                f"{os.fsdecode(path)} is a directory of the environment: no file can take its place",
                hint="choose another target",
            )
        self._remove(path)

    def _missing(self, above: bytes) -> list[bytes]:
        """Return the directories down to `above` that are still to be made, from the top."""
        found = []
        while above not in self._directories:
            there = self._shown.get(above)
            if there is not None and there.type not in {"d", "o"}:
                raise BuildError(
                    f"{os.fsdecode(above)} is no directory of the environment, so nothing can lie in it",
                    hint="choose another target",
                )
            found.append(above)
            above = os.path.dirname(above)
        return found[::-1]

    def _make_directory(self, path: bytes) -> None:
        os.mkdir(self._full(path), _DIRECTORY)
        self._own(path)
        os.chmod(self._full(path), _DIRECTORY)
        match_below(self._full(path), self._shown.get(path), chown=self._chown)
        self._shown.setdefault(path, Entry(path, "d", _DIRECTORY))
        self._directories.add(path)

    def _remove(self, path: bytes) -> None:
        """Remove what an earlier member put there; what lies below is covered anyway."""
        if os.path.lexists(self._full(path)):
            os.unlink(self._full(path))
        self._places.clear()

    def _own(self, path: bytes) -> None:
        """Give it to root: in a directory with the set-group-id bit it would have that directory's group."""
        if self._chown:
            os.chown(self._full(path), 0, 0, follow_symlinks=False)

    def _full(self, path: bytes) -> bytes:
        return os.fsencode(self._root) + path
