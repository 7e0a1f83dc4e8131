"""Calls that make directories, symbolic links, devices and named sockets."""

import errno
import os
import stat
from collections.abc import Callable

from attrs import define

from envforge.kernel import capabilities
from envforge.sandbox.owners import kernel, memory
from envforge.sandbox.owners.kernel import AT_SYMLINK_NOFOLLOW
from envforge.sandbox.owners.state.attributes import Owned
from envforge.sandbox.owners.state.inheritance import Inherited, inherited_in, record, umask_of
from envforge.sandbox.owners.state.names import Place, directory_of, names_an_entry, parent_of
from envforge.sandbox.owners.state.shared import CONTINUE, SharedState

_AT_FDCWD = 0xFFFFFF9C
_AF_UNIX = 1
_LONGEST_ADDRESS = 110

Make = Callable[[Place, int], None]
"""make(place, mode): the system call itself."""
Finish = Callable[[Owned, Inherited], None]
"""finish(owned, inherited): sets the true attributes of this kind of file besides owner and access ACL."""


def _nothing_else(_owned: Owned, _inherited: Inherited) -> None:
    pass


@define(slots=True)
class MakeCalls:
    """Makes files with another owner than root, or of a type that the file system does not take."""

    state: SharedState

    def mkdir(self, pid: int, name: int, mode: int, *_: int) -> int:
        return self.mkdirat(pid, _AT_FDCWD, name, mode)

    def mkdirat(self, pid: int, directory: int, name: int, mode: int, *_: int) -> int:

        def make(place: Place, narrowed: int) -> None:
            os.mkdir(place[1], narrowed, dir_fd=directory_of(place))

        def finish(owned: Owned, inherited: Inherited) -> None:
            owned.default_acl = inherited.default_acl

        return self._make(pid, self.state.names.read(pid, directory, name), mode, make, finish)

    def symlink(self, pid: int, target: int, name: int, *_: int) -> int:
        return self.symlinkat(pid, target, _AT_FDCWD, name)

    def symlinkat(self, pid: int, target: int, directory: int, name: int, *_: int) -> int:
        text = memory.text(pid, target)
        if not text:
            return CONTINUE

        def make(place: Place, _: int) -> None:
            os.symlink(text, place[1], dir_fd=directory_of(place))

        def finish(owned: Owned, _: Inherited) -> None:
            owned.access_acl = b""

        return self._make(pid, self.state.names.read(pid, directory, name), 0o777, make, finish)

    def mknod(self, pid: int, name: int, mode: int, device: int, *_: int) -> int:
        return self.mknodat(pid, _AT_FDCWD, name, mode, device)

    def mknodat(self, pid: int, directory: int, name: int, mode: int, device: int, *_: int) -> int:
        """Make an empty file in place of a device, and record that it is one."""
        kind = stat.S_IFMT(mode) if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else 0
        if kind and not self.state.identities.of(pid).can(capabilities.MKNOD):
            return -errno.EPERM
        real_kind = stat.S_IFREG if kind else stat.S_IFMT(mode)

        def make(place: Place, narrowed: int) -> None:
            os.mknod(place[1], real_kind | narrowed, dir_fd=directory_of(place))

        def finish(owned: Owned, _: Inherited) -> None:
            if kind:
                number = device & 0xFFFFFFFF
                owned.kind, owned.device = kind, (os.major(number), os.minor(number))

        place = self.state.names.read(pid, directory, name)
        return self._make(pid, place, mode, make, finish, always=bool(kind))

    def bind(self, pid: int, socket: int, address: int, size: int, *_: int) -> int:
        """Make Unix sockets that have a name."""
        size &= 0xFFFFFFFF
        data = memory.read(pid, address, size) if 2 < size <= _LONGEST_ADDRESS else None
        if not data or int.from_bytes(data[:2], "little") != _AF_UNIX or data[2] == 0:
            return CONTINUE

        def make(_place: Place, _mode: int) -> None:
            self._bind(pid, socket & 0xFFFFFFFF, data)

        path = data[2:].partition(b"\0")[0]
        return self._make(pid, self.state.names.locate(pid, _AT_FDCWD, path), 0o777, make, _nothing_else)

    def _bind(self, pid: int, socket: int, address: bytes) -> None:
        """Bind a copy of the program's socket from the program's directory, by the name that it gave."""
        pidfd = os.pidfd_open(self.state.names.group(pid))
        try:
            copy = kernel.take_descriptor(pidfd, socket)
        finally:
            os.close(pidfd)
        here = os.open(".", os.O_PATH)
        there = os.open(b"%d/cwd" % pid, os.O_PATH, dir_fd=self.state.names.processes)
        try:
            os.fchdir(there)
            kernel.bind(copy, address)
        finally:
            os.fchdir(here)
            for descriptor in (here, there, copy):
                os.close(descriptor)

    def _make(
        self, pid: int, place: Place | None, mode: int, make: Make, finish: Finish, *, always: bool = False
    ) -> int:
        if place is None or not names_an_entry(place) or kernel.look(*place, AT_SYMLINK_NOFOLLOW):
            return CONTINUE  # EEXIST, or what else the kernel finds first
        identity = self.state.identities.of(pid)
        if not self.state.may_enter_names(identity, place):
            return -errno.EACCES
        inherited = inherited_in(self.state, identity, parent_of(place))
        if inherited.is_plain and not always:
            return CONTINUE
        with umask_of(self.state, pid, inherited, mode) as narrowed:
            make(place, narrowed)
        entry = place[1].rstrip(b"/")
        descriptor = os.open(entry, os.O_PATH | os.O_NOFOLLOW, dir_fd=directory_of(place))
        try:
            finish(record(self.state, descriptor, inherited, mode), inherited)
        finally:
            os.close(descriptor)
        return 0
