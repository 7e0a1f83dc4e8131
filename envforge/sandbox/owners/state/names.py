"""Translates a program's paths into the supervisor's: a descriptor and a path relative to it.

The supervisor stays outside the program's pid namespace and inside its root, so absolute paths are the same
for both; relative ones go through the outer /proc. It decides nothing about owners.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field

from envforge.sandbox.owners import kernel, memory
from envforge.sandbox.owners.kernel import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    STATX_ADDRESS,
    STATX_BASIC,
    STATX_MOUNT,
    statx,
)
from envforge.sandbox.owners.memory import PATH_ADDRESS, PATH_BUFFER, fetch

Place = tuple[int, bytes]
"""A directory's descriptor (or AT_FDCWD) and a path relative to it."""

_SPECIAL = (b"/proc/self/", b"/proc/thread-self/", b"/dev/fd/", b"/dev/std")
_OWN_DIRECTORIES = {b"/proc/self/": b"", b"/proc/thread-self/": b"", b"/dev/fd/": b"fd/"}
_SLASH = ord("/")
_LOOK_FLAGS = kernel.AT_SYMLINK_NOFOLLOW | 0x6000  # and AT_STATX_SYNC_TYPE
_STREAMS = {b"/dev/stdin": 0, b"/dev/stdout": 1, b"/dev/stderr": 2}


@define(slots=True)
class Names:
    """Finds files by the names and descriptors of a process."""

    processes: int
    """O_PATH descriptor of the /proc of the supervisor's own pid namespace."""
    views_differ: bool = False
    """A process has changed its root or its namespaces, so each one's root must be looked at."""
    _root: int = field(init=False)
    _root_place: tuple[int, int, int, int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Remember the root that the supervisor shares with the programs: it is already inside."""
        self._root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        kernel.look(self._root, b"", AT_EMPTY_PATH, STATX_BASIC | STATX_MOUNT)
        self._root_place = kernel.place()

    def locate(self, pid: int, directory: int, path: bytes) -> Place:
        """Return the place of a program's `path`, relative to its descriptor `directory` or AT_FDCWD.

        An empty path is the directory itself: such a place must not be opened with O_NOFOLLOW.
        """
        if path.startswith(b"/"):
            if path.startswith(_SPECIAL):
                return self._special(pid, path)
            return AT_FDCWD, path
        directory &= 0xFFFFFFFF
        if directory == 0xFFFFFF9C:
            return self.processes, b"%d/cwd/%b" % (pid, path) if path else b"%d/cwd" % pid
        if path:
            return self.processes, b"%d/fd/%d/%b" % (pid, directory, path)
        return self.processes, b"%d/fd/%d" % (pid, directory)

    def of_descriptor(self, pid: int, descriptor: int) -> Place:
        """Return the place of a program's open file: a link, to be followed."""
        return self.processes, b"%d/fd/%d" % (pid, descriptor & 0xFFFFFFFF)

    def read(self, pid: int, directory: int, address: int) -> Place | None:
        """Return the place that the string at `address` names; None if it is empty or unreadable."""
        path = memory.text(pid, address)
        if not path:
            return None
        return self.locate(pid, directory, path)

    def look(self, pid: int, directory: int, address: int, flags: int, mask: int = STATX_BASIC) -> bool:
        """Look at the file that a call of the stat family names, as statx(2) reads its flags."""
        length = fetch(pid, address) if address else 0
        if length > 0:
            flags &= _LOOK_FLAGS
            if PATH_BUFFER[0] == _SLASH and not PATH_BUFFER.startswith(_SPECIAL):
                return not statx(AT_FDCWD, PATH_ADDRESS, flags, mask, STATX_ADDRESS)
            base, path = self.locate(pid, directory, bytes(PATH_BUFFER[:length]))
            return not statx(base, path, flags, mask, STATX_ADDRESS)
        if length < 0 or not flags & AT_EMPTY_PATH:
            return False
        base, path = self.locate(pid, directory, b"")
        return not statx(base, path, 0, mask, STATX_ADDRESS)

    def _special(self, pid: int, path: bytes) -> Place:
        for prefix, inner in _OWN_DIRECTORIES.items():
            if path.startswith(prefix):
                return self.processes, b"%d/%b%b" % (pid, inner, path[len(prefix) :])
        stream = _STREAMS.get(path)
        if stream is None:
            return AT_FDCWD, path
        return self.of_descriptor(pid, stream)

    def umask(self, pid: int) -> int:
        """Return the process's umask."""
        return int(self._status(pid, b"Umask"), 8)

    def group(self, pid: int) -> int:
        """Return the pid of the process that the thread belongs to."""
        return int(self._status(pid, b"Tgid"))

    def number_inside(self, pid: int) -> int:
        """Return the pid of the thread's process in its own pid namespace."""
        return int(self._status(pid, b"NStgid").split()[-1])

    def has_no_new_privileges(self, pid: int) -> bool:
        """Say if exec gives the process no privileges (PR_SET_NO_NEW_PRIVS)."""
        return int(self._status(pid, b"NoNewPrivs")) != 0

    def _status(self, pid: int, name: bytes) -> bytes:
        descriptor = os.open(b"%d/status" % pid, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.processes)
        try:
            text = os.read(descriptor, 4096)
        finally:
            os.close(descriptor)
        return text.partition(b"\n" + name + b":\t")[2].partition(b"\n")[0]

    def has_own_view(self, pid: int) -> bool:
        """Say if the process has another root, or sees the root through another mount namespace."""
        if not kernel.look(self.processes, b"%d/root" % pid, 0, STATX_BASIC | STATX_MOUNT):
            return False
        return kernel.place() != self._root_place

    @contextmanager
    def view_of(self, pid: int) -> Iterator[None]:
        """Change root to the process's meanwhile: links and mounts then resolve as they do for it."""
        root = os.open(b"%d/root" % pid, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.processes)
        try:
            os.fchdir(root)
            os.chroot(".")
            yield
        finally:
            os.close(root)
            os.fchdir(self._root)
            os.chroot(".")


def directory_of(place: Place) -> int | None:
    """Return the descriptor as `dir_fd` of the functions of `os`."""
    return place[0] if place[0] >= 0 else None


def parent_of(place: Place) -> Place:
    """Return the directory that holds the last part of the path."""
    base, path = place
    head, separator, _ = path.rstrip(b"/").rpartition(b"/")
    if head:
        return base, head
    return base, b"/" if separator else b"."


def names_an_entry(place: Place) -> bool:
    """Say if the path ends in the name of an entry: calls that create answer the others with an error."""
    last = place[1].rstrip(b"/").rpartition(b"/")[2]
    return last not in {b"", b".", b".."}
