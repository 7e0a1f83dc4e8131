"""Calls that change owners: the kernel does what it can (copy-up, set-id bits), the table keeps the rest."""

import errno
import os

from attrs import define

from envforge.kernel import capabilities
from envforge.sandbox.owners import kernel, memory, notify
from envforge.sandbox.owners.kernel import AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW
from envforge.sandbox.owners.state.identities import Identity
from envforge.sandbox.owners.state.names import Place
from envforge.sandbox.owners.state.shared import CONTINUE, NO_ID, SharedState

_AT_FDCWD = 0xFFFFFF9C
_ROOTS = (0, NO_ID)


def may_chown(identity: Identity, old: tuple[int, int], new: tuple[int, int]) -> bool:
    """Say if the identity may change a file's owner and group so; NO_ID leaves one as it is (chown(2))."""
    if identity.can(capabilities.CHOWN):
        return True
    owns = identity.uids[3] == old[0]
    user_ok = new[0] == NO_ID or (owns and new[0] == old[0])
    group_ok = new[1] == NO_ID or (owns and (new[1] == old[1] or identity.in_group(new[1])))
    return user_ok and group_ok


@define(slots=True)
class ChownCalls:
    """Changes owners."""

    state: SharedState

    def chown(self, pid: int, name: int, user: int, group: int, *_: int) -> int:
        return self.fchownat(pid, _AT_FDCWD, name, user, group, 0)

    def lchown(self, pid: int, name: int, user: int, group: int, *_: int) -> int:
        return self.fchownat(pid, _AT_FDCWD, name, user, group, AT_SYMLINK_NOFOLLOW)

    def fchown(self, pid: int, descriptor: int, user: int, group: int, *_: int) -> int:
        place = self.state.names.of_descriptor(pid, descriptor)
        return self._chown(pid, place, user & NO_ID, group & NO_ID, 0)

    def fchownat(
        self, pid: int, directory: int, name: int, user: int, group: int, flags: int, *_: int
    ) -> int:
        path = memory.text(pid, name)
        if path is None or (not path and not flags & AT_EMPTY_PATH):
            return CONTINUE
        place = self.state.names.locate(pid, directory, path)
        no_follow = os.O_NOFOLLOW if path and flags & AT_SYMLINK_NOFOLLOW else 0
        return self._chown(pid, place, user & NO_ID, group & NO_ID, no_follow)

    def _chown(self, pid: int, place: Place, user: int, group: int, no_follow: int) -> int:
        identity = self.state.identities.of(pid)
        if user in _ROOTS and group in _ROOTS and identity.can(capabilities.CHOWN):
            flags = AT_SYMLINK_NOFOLLOW if no_follow else 0
            if not kernel.look(*place, flags) or self.state.attributes.find() is None:
                return CONTINUE  # it is root's and stays so, like nearly every file that dpkg unpacks
        base, path = place
        try:
            descriptor = os.open(path, os.O_PATH | no_follow, dir_fd=None if base < 0 else base)
        except OSError:
            return CONTINUE  # the kernel knows the errno
        try:
            if not notify.is_waiting(self.state.listener, self.state.identifier):
                return CONTINUE
            return self._change(identity, descriptor, user, group)
        finally:
            os.close(descriptor)

    def _change(self, identity: Identity, descriptor: int, user: int, group: int) -> int:
        kernel.look(descriptor, b"", AT_EMPTY_PATH)
        owned = self.state.attributes.find()
        old = (owned.uid, owned.gid) if owned else (0, 0)
        if not may_chown(identity, old, (user, group)):
            return -errno.EPERM
        kernel.change_owner(descriptor, NO_ID if user == NO_ID else 0, NO_ID if group == NO_ID else 0)
        owned = self.state.attributes.keep(descriptor)
        owned.uid = owned.uid if user == NO_ID else user
        owned.gid = owned.gid if group == NO_ID else group
        self.state.attributes.settle(owned)
        return 0
