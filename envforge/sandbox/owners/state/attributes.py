"""The table of faked attributes, which the file system itself cannot hold: owners, devices, ACLs.

    (inode number, device) -> Owned, each inode held by an O_PATH descriptor

The descriptor keeps the number from being reused for another file, and follows renames, so an entry can never
be taken for another file's. Nothing here knows processes or paths.
"""

import os
import resource
import stat

from attrs import define, field

from envforge.errors import CapabilityError
from envforge.sandbox.owners import kernel
from envforge.sandbox.owners.kernel import AT_EMPTY_PATH, Key
from envforge.sandbox.owners.state.watches import Watches

_ROOM = 64
"""Descriptors that are left for handling calls."""
_FIRST_SWEEP = 512


@define(slots=True, eq=False)
class Owned:
    """The true attributes of one inode."""

    uid: int = 0
    gid: int = 0
    kind: int = 0
    """S_IFCHR or S_IFBLK of a device, in whose place a regular file is on disk."""
    device: tuple[int, int] = (0, 0)
    access_acl: bytes = b""
    default_acl: bytes = b""
    pins: dict[Key, int] = field(factory=dict)
    """The inode's keys (links to a copied-up file can have several), and a descriptor that pins each."""

    @property
    def is_plain(self) -> bool:
        """Say if the file system's own answer is true."""
        return not (self.uid or self.gid or self.kind or self.access_acl or self.default_acl)


@define(slots=True)
class Attributes:
    """Finds and keeps the true attributes of files. Lookups concern the file that `kernel.look` saw last."""

    limit: int = field(factory=lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _ROOM)
    """How many inodes can be held."""
    table: dict[Key, Owned] = field(factory=dict)
    _moving: dict[int, Owned] = field(factory=dict)
    """Files of lower layers, by their watches: their number changes when they are copied up."""
    _moving_kinds: set[int] = field(factory=set)
    _watches: Watches = field(factory=Watches)
    _pinned: int = 0
    _sweep_at: int = _FIRST_SWEEP

    def find(self) -> Owned | None:
        """Return the true attributes of the file last looked at; None if the kernel's are."""
        key = kernel.key()
        owned = self.table.get(key)
        if owned is not None or not self._moving:
            return owned
        links, mode = kernel.links_and_mode()
        # A file that was just copied up has a single link (linkat, trapped, adds more); a farm's has several.
        if links > 1 or stat.S_IFMT(mode) not in self._moving_kinds or self._watches.is_silent():
            return None
        saved = bytes(kernel.STATX)
        self._follow()
        kernel.STATX[:] = saved
        return self.table.get(key)

    def _follow(self) -> None:
        """Look again at the files of lower layers for which inotify has events."""
        heard = self._watches.heard()
        for watch in tuple(self._moving) if heard is None else heard:
            owned = self._moving.get(watch)
            if owned is not None:
                self._look_again(watch, owned)

    def _look_again(self, watch: int, owned: Owned) -> None:
        (old, pin), *_ = owned.pins.items()  # the first is that of the lower layer
        if not kernel.look(pin, b"", AT_EMPTY_PATH) or kernel.key() == old:
            return
        del self._moving[watch]
        self._watches.remove(watch)
        new = kernel.key()
        if new in owned.pins:
            os.close(owned.pins.pop(old))  # the number came in by a link before
            self._pinned -= 1
        else:
            owned.pins[new] = owned.pins.pop(old)
            self.table.setdefault(new, owned)
        if self.table.get(old) is owned:
            self._inherit(old)

    def _inherit(self, key: Key) -> None:
        """Give the number to another path of the same lower inode that has not been copied up, if any."""
        del self.table[key]
        for other in self._moving.values():
            if key in other.pins:
                self.table[key] = other
                return

    def keep(self, descriptor: int) -> Owned:
        """Return the entry of an open file, made if it has none. The descriptor stays the caller's."""
        kernel.look(descriptor, b"", AT_EMPTY_PATH)
        owned = self.find()
        if owned is None:
            owned = Owned()
            self.add_name(descriptor, owned)
        return owned

    def add_name(self, descriptor: int, owned: Owned) -> None:
        """Make `owned` the entry of an open file too."""
        kernel.look(descriptor, b"", AT_EMPTY_PATH)
        key = kernel.key()
        if key not in self.table:
            owned.pins[key] = self._pin(descriptor)
            self.table[key] = owned

    def preload(self, path: bytes, owned: Owned) -> None:
        """Add the entry of a lower layer's path. Raises OSError if the path does not exist."""
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            kernel.look(descriptor, b"", AT_EMPTY_PATH)
            key = kernel.key()
            _, mode = kernel.links_and_mode()
            owned.pins[key] = self._pin(descriptor)
            self.table.setdefault(key, owned)
            if not stat.S_ISDIR(mode):
                self._moving[self._watches.add(path)] = owned
                self._moving_kinds.add(stat.S_IFMT(mode))
        finally:
            os.close(descriptor)

    def settle(self, owned: Owned) -> None:
        """Forget an entry that says no more than the file system does."""
        if owned.is_plain:
            self._release(owned)

    def _release(self, owned: Owned) -> None:
        for watch in [watch for watch, other in self._moving.items() if other is owned]:
            del self._moving[watch]
            self._watches.remove(watch)
        for key, pin in owned.pins.items():
            if self.table.get(key) is owned:
                self._inherit(key)
            os.close(pin)
        self._pinned -= len(owned.pins)
        owned.pins.clear()

    def _pin(self, descriptor: int) -> int:
        if self._pinned >= self._sweep_at:
            self._sweep()
        self._pinned += 1
        return os.dup(descriptor)

    def _sweep(self) -> None:
        """Let go of files that have been deleted. Raises CapabilityError if that leaves no room."""
        for owned in set(self.table.values()):
            if all(map(_is_deleted, owned.pins.values())):
                self._release(owned)
        if self._pinned >= self.limit:
            raise self._too_many()
        self._sweep_at = min(self.limit, max(_FIRST_SWEEP, 2 * self._pinned))

    def _too_many(self) -> CapabilityError:
        return CapabilityError(
            f"more than {self.limit} files with other owners than root; each needs an open descriptor",
            hint="raise the hard limit of open files (ulimit -Hn), or get a subordinate id range",
        )


def _is_deleted(descriptor: int) -> bool:
    if not kernel.look(descriptor, b"", AT_EMPTY_PATH):
        return True
    links, mode = kernel.links_and_mode()
    return links == 0 and not stat.S_ISDIR(mode)
