"""Calls that ask for permission or change it: root's identity is never refused anything."""

import errno

from attrs import define

from envforge.kernel import capabilities
from envforge.sandbox.owners.kernel import AT_SYMLINK_NOFOLLOW
from envforge.sandbox.owners.state.identities import ROOT
from envforge.sandbox.owners.state.names import Place
from envforge.sandbox.owners.state.shared import CONTINUE, SharedState

_AT_FDCWD = 0xFFFFFF9C
_AT_EACCESS = 0x200


@define(slots=True)
class PermissionCalls:
    """Judges access and chmod."""

    state: SharedState

    def access(self, pid: int, name: int, wanted: int, *_: int) -> int:
        return self.faccessat2(pid, _AT_FDCWD, name, wanted, 0)

    def faccessat(self, pid: int, directory: int, name: int, wanted: int, *_: int) -> int:
        """Judge without flags: the kernel's call has none."""
        return self.faccessat2(pid, directory, name, wanted, 0)

    def faccessat2(self, pid: int, directory: int, name: int, wanted: int, flags: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        if identity is ROOT:
            return CONTINUE
        look_flags = flags & ~_AT_EACCESS
        if not self.state.names.look(pid, directory, name, look_flags):
            return CONTINUE
        allowed = identity.may(wanted & 7, *self.state.seen(), real=not flags & _AT_EACCESS)
        return CONTINUE if allowed else -errno.EACCES

    def chmod(self, pid: int, name: int, *_: int) -> int:
        return self.fchmodat2(pid, _AT_FDCWD, name, 0, 0)

    def fchmodat(self, pid: int, directory: int, name: int, *_: int) -> int:
        """Judge without flags: the kernel's call has none."""
        return self.fchmodat2(pid, directory, name, 0, 0)

    def fchmodat2(self, pid: int, directory: int, name: int, _mode: int, flags: int, *_: int) -> int:
        if self.state.identities.of(pid) is ROOT:
            return CONTINUE
        place = self.state.names.read(pid, directory, name)
        return self._judge_chmod(pid, place, follow=not flags & AT_SYMLINK_NOFOLLOW)

    def fchmod(self, pid: int, descriptor: int, *_: int) -> int:
        if self.state.identities.of(pid) is ROOT:
            return CONTINUE
        return self._judge_chmod(pid, self.state.names.of_descriptor(pid, descriptor), follow=True)

    def _judge_chmod(self, pid: int, place: Place | None, *, follow: bool) -> int:
        identity = self.state.identities.of(pid)
        status = None if place is None else self.state.status(place, follow=follow)
        if status is None or identity.can(capabilities.FOWNER) or status[1] == identity.uids[3]:
            return CONTINUE
        return -errno.EPERM
