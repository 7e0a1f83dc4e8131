"""Calls that open files: new ones, and existing ones that another identity than root's wants to write."""

import errno
import os
import stat
from struct import unpack

from attrs import define

from envforge.sandbox.owners import kernel, memory, notify
from envforge.sandbox.owners.kernel import O_TMPFILE_BIT
from envforge.sandbox.owners.state.identities import ROOT, Identity
from envforge.sandbox.owners.state.inheritance import inherited_in, record, umask_of
from envforge.sandbox.owners.state.names import Place, directory_of, names_an_entry, parent_of
from envforge.sandbox.owners.state.shared import ANSWERED, CONTINUE, SharedState, Status

_AT_FDCWD = 0xFFFFFF9C
_READ, _WRITE = 4, 2
_MOST_LINKS = 40


def wanted_access(flags: int) -> int:
    """Return the permissions that open(2) needs on a file that exists."""
    access = flags & os.O_ACCMODE
    wanted = 0 if access == os.O_WRONLY else _READ
    return wanted | (_WRITE if access != os.O_RDONLY or flags & os.O_TRUNC else 0)


@define(slots=True)
class OpenCalls:
    """Opens new files whose owner is not root, and refuses what the program may not open."""

    state: SharedState

    def open(self, pid: int, name: int, flags: int, mode: int, *_: int) -> int:
        return self.openat(pid, _AT_FDCWD, name, flags, mode)

    def creat(self, pid: int, name: int, mode: int, *_: int) -> int:
        return self.openat(pid, _AT_FDCWD, name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)

    def openat2(self, pid: int, directory: int, name: int, how: int, *_: int) -> int:
        """Open without the call's `resolve`, which only refuses or confines."""
        data = memory.read(pid, how, 16)
        if data is None:
            return CONTINUE
        return self.openat(pid, directory, name, *unpack("<QQ", data))

    def openat(self, pid: int, directory: int, name: int, flags: int, mode: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        flags &= 0x7FFFFFFF
        if identity is ROOT and not flags & (os.O_CREAT | O_TMPFILE_BIT):
            return CONTINUE
        place = self.state.names.read(pid, directory, name)
        if place is None:
            return CONTINUE
        if flags & O_TMPFILE_BIT:
            return self._open_new(pid, identity, place, place, flags, mode)
        if not names_an_entry(place):
            return CONTINUE
        return self._open(pid, identity, place, flags, mode)

    def _open(self, pid: int, identity: Identity, place: Place, flags: int, mode: int) -> int:
        creates = bool(flags & os.O_CREAT)
        status = self.state.status(place, follow=False)
        is_link = status is not None and stat.S_ISLNK(status[0])
        if is_link and not flags & os.O_NOFOLLOW and not (creates and flags & os.O_EXCL):
            status = self.state.status(place)
        if status is not None or not creates:
            return _judge_existing(identity, status, flags)
        if is_link:
            target = _end_of_link(place)
            if target is None:
                return CONTINUE
            place = target
        if not self.state.may_enter_names(identity, place):
            return -errno.EACCES
        return self._open_new(pid, identity, place, parent_of(place), flags, mode)

    def _open_new(
        self, pid: int, identity: Identity, place: Place, parent: Place, flags: int, mode: int
    ) -> int:
        inherited = inherited_in(self.state, identity, parent)
        if inherited.is_plain:
            return CONTINUE
        with umask_of(self.state, pid, inherited, mode) as narrowed:
            descriptor = os.open(place[1], flags, narrowed, dir_fd=directory_of(place))
        try:
            # O_PATH, so that the table does not keep the file open
            pin = os.open(b"self/fd/%d" % descriptor, os.O_PATH, dir_fd=self.state.names.processes)
            try:
                record(self.state, pin, inherited, mode)
            finally:
                os.close(pin)
            notify.hand_over(
                self.state.listener, self.state.identifier, descriptor, flags=flags & os.O_CLOEXEC
            )
        finally:
            os.close(descriptor)
        return ANSWERED


def _judge_existing(identity: Identity, status: Status | None, flags: int) -> int:
    exclusive = flags & os.O_CREAT and flags & os.O_EXCL
    if status is None or exclusive or stat.S_ISDIR(status[0]):
        return CONTINUE  # ENOENT, EEXIST, EISDIR; directories are only read
    if identity.may(wanted_access(flags), *status):
        return CONTINUE
    return -errno.EACCES


def _end_of_link(place: Place) -> Place | None:
    """Return the missing file that a dangling link leads to."""
    for _ in range(_MOST_LINKS):
        try:
            target = os.readlink(place[1], dir_fd=directory_of(place))
        except OSError as error:
            return place if error.errno == errno.ENOENT else None
        if target.startswith(b"/"):
            place = (kernel.AT_FDCWD, target)
        else:
            base, head = parent_of(place)
            place = (base, head + b"/" + target)
    return None
