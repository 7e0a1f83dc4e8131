"""Calls that link, rename and unlink: a link can get another inode number; only root needs no permission."""

import errno
import os
import stat

from attrs import define

from envforge.kernel import capabilities
from envforge.sandbox.owners import kernel
from envforge.sandbox.owners.kernel import AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW
from envforge.sandbox.owners.state.attributes import Owned
from envforge.sandbox.owners.state.identities import ROOT, Identity
from envforge.sandbox.owners.state.names import Place, directory_of, parent_of
from envforge.sandbox.owners.state.shared import CONTINUE, SharedState

_AT_FDCWD = 0xFFFFFF9C


@define(slots=True)
class LinkCalls:
    """Links, renames, removes."""

    state: SharedState

    def link(self, pid: int, old: int, new: int, *_: int) -> int:
        return self.linkat(pid, _AT_FDCWD, old, _AT_FDCWD, new, 0)

    def linkat(
        self, pid: int, old_directory: int, old: int, new_directory: int, new: int, flags: int, *_: int
    ) -> int:
        """Make the link here if the file is in the table, and keep the link's inode number too."""
        target = self.state.names.read(pid, new_directory, new)
        if target is None or kernel.look(*target, AT_SYMLINK_NOFOLLOW):
            return CONTINUE  # EEXIST, or what else the kernel finds first
        if not self.state.may_enter_names(self.state.identities.of(pid), target):
            return -errno.EACCES
        source = self.state.names.read(pid, old_directory, old)
        if source is None:
            return CONTINUE  # AT_EMPTY_PATH: a file without a name is in the upper layer, its number stays
        follow = bool(flags & AT_SYMLINK_FOLLOW)
        owned = self.state.owned(source, follow=follow)
        status = self.state.status(source, follow=follow)
        if owned is None or status is None or stat.S_ISDIR(status[0]):
            return CONTINUE
        os.link(
            source[1],
            target[1],
            src_dir_fd=directory_of(source),
            dst_dir_fd=directory_of(target),
            follow_symlinks=follow,
        )
        self._add_name(source, owned, follow=follow)
        self._add_name(target, owned, follow=False)
        return 0

    def _add_name(self, place: Place, owned: Owned, *, follow: bool) -> None:
        no_follow = 0 if follow else os.O_NOFOLLOW
        descriptor = os.open(place[1], os.O_PATH | no_follow, dir_fd=directory_of(place))
        try:
            self.state.attributes.add_name(descriptor, owned)
        finally:
            os.close(descriptor)

    def unlink(self, pid: int, name: int, *_: int) -> int:
        return self.unlinkat(pid, _AT_FDCWD, name, 0)

    def rmdir(self, pid: int, name: int, *_: int) -> int:
        return self.unlinkat(pid, _AT_FDCWD, name, 0)

    def unlinkat(self, pid: int, directory: int, name: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        if identity is ROOT:
            return CONTINUE
        place = self.state.names.read(pid, directory, name)
        if place is None or not kernel.look(*place, AT_SYMLINK_NOFOLLOW):
            return CONTINUE  # ENOENT
        return self._judge(identity, place)

    def rename(self, pid: int, old: int, new: int, *_: int) -> int:
        return self.renameat2(pid, _AT_FDCWD, old, _AT_FDCWD, new, 0)

    def renameat(self, pid: int, old_directory: int, old: int, new_directory: int, new: int, *_: int) -> int:
        return self.renameat2(pid, old_directory, old, new_directory, new, 0)

    def renameat2(self, pid: int, old_directory: int, old: int, new_directory: int, new: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        if identity is ROOT:
            return CONTINUE
        source = self.state.names.read(pid, old_directory, old)
        target = self.state.names.read(pid, new_directory, new)
        if source is None or target is None or not kernel.look(*source, AT_SYMLINK_NOFOLLOW):
            return CONTINUE  # ENOENT
        judgement = self._judge(identity, source)
        return judgement if judgement != CONTINUE else self._judge(identity, target)

    def _judge(self, identity: Identity, place: Place) -> int:
        """Return CONTINUE if the identity may take a name away, else the errno (unlink(2))."""
        directory = self.state.status(parent_of(place))
        if directory is None or identity.can(capabilities.DAC_OVERRIDE):
            return CONTINUE
        if not identity.may(3, *directory):
            return -errno.EACCES
        user = identity.uids[3]
        if not directory[0] & stat.S_ISVTX or directory[1] == user:
            return CONTINUE
        status = self.state.status(place, follow=False)
        return CONTINUE if status is None or status[1] == user else -errno.EPERM
