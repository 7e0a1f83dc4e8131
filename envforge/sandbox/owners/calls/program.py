"""Calls that change a process's privileges or its view of the tree: exec, capability masks, chroot."""

import errno
import os
import stat
from struct import pack, unpack

from attrs import define, evolve

from envforge.sandbox.owners import memory
from envforge.sandbox.owners.kernel import AT_EMPTY_PATH
from envforge.sandbox.owners.state.identities import ROOT, Identity, after_exec
from envforge.sandbox.owners.state.names import directory_of
from envforge.sandbox.owners.state.shared import CONTINUE, SharedState

_AT_FDCWD = 0xFFFFFF9C
_EXECUTE = 1
_KNOWN = (1 << 41) - 1  # capabilities of Linux 5.9 and later; other bits do not count
_SET_KEEPCAPS, _SET_SECUREBITS = 8, 28
_KEEP_CAPS_BIT, _NO_FIXUP_BIT = 4, 2
_CAPABILITY_VERSION_1 = 0x19980330


@define(slots=True)
class ProgramCalls:
    """Follows a process through exec, and its capabilities."""

    state: SharedState

    def execve(self, pid: int, name: int, *_: int) -> int:
        return self.execveat(pid, _AT_FDCWD, name, 0, 0, 0)

    def execveat(
        self, pid: int, directory: int, name: int, _argv: int, _environment: int, flags: int, *_: int
    ) -> int:
        """Give the process the new program's identity, set-id files included; the kernel starts it."""
        identity = self.state.identities.of(pid)
        if not self.state.names.look(pid, directory, name, flags & AT_EMPTY_PATH):
            return CONTINUE
        mode, uid, gid = self.state.seen()
        if not stat.S_ISREG(mode) or not mode & 0o111:
            return CONTINUE
        if identity is ROOT and not (mode & (stat.S_ISUID | stat.S_ISGID) and (uid or gid)):
            return CONTINUE
        if not identity.may(_EXECUTE, mode, uid, gid):
            return -errno.EACCES
        set_uid = uid if mode & stat.S_ISUID else None
        set_gid = gid if mode & stat.S_ISGID and mode & stat.S_IXGRP else None
        if (set_uid, set_gid) != (None, None) and self._ignores_set_id(pid, directory, name):
            set_uid = set_gid = None
        self._become(pid, identity, after_exec(identity, set_uid=set_uid, set_gid=set_gid))
        return CONTINUE

    def _ignores_set_id(self, pid: int, directory: int, name: int) -> bool:
        """Say if the kernel ignores the set-id bits: for scripts, and under no_new_privs."""
        if self.state.names.has_no_new_privileges(pid):
            return True
        place = self.state.names.read(pid, directory, name)
        if place is None:
            return False
        descriptor = os.open(place[1], os.O_RDONLY, dir_fd=directory_of(place))
        try:
            return os.read(descriptor, 2) == b"#!"
        finally:
            os.close(descriptor)

    def capget(self, pid: int, header: int, data: int, *_: int) -> int:
        """Tell the process its own masks."""
        identity = self.state.identities.of(pid)
        asked = memory.read(pid, header, 8)
        if identity is ROOT or not data or asked is None:
            return CONTINUE
        version, of_pid = unpack("<II", asked)
        if version == _CAPABILITY_VERSION_1 or of_pid not in {0, self.state.names.number_inside(pid)}:
            return CONTINUE
        low, high = 0xFFFFFFFF, 32
        effective, permitted = identity.effective, identity.permitted
        masks = (effective & low, permitted & low, 0, effective >> high, permitted >> high, 0)
        return memory.write(pid, data, pack("<6I", *masks))

    def capset(self, pid: int, _header: int, data: int, *_: int) -> int:
        """Keep the masks here, and let the kernel set its own too."""
        words = memory.read(pid, data, 24)
        if words is None:
            return CONTINUE
        identity = self.state.identities.of(pid)
        effective, permitted, _, effective_high, permitted_high, _ = unpack("<6I", words)
        effective = (effective | effective_high << 32) & _KNOWN
        permitted = (permitted | permitted_high << 32) & _KNOWN
        if permitted & ~identity.permitted or effective & ~permitted:
            return -errno.EPERM
        self._become(pid, identity, evolve(identity, effective=effective, permitted=permitted))
        return CONTINUE

    def prctl(self, pid: int, option: int, value: int, *_: int) -> int:
        """Follow PR_SET_KEEPCAPS and PR_SET_SECUREBITS."""
        identity = self.state.identities.of(pid)
        if option & 0xFFFFFFFF == _SET_KEEPCAPS:
            changed = evolve(identity, keeps=value != 0)
        else:
            changed = evolve(
                identity, keeps=bool(value >> _KEEP_CAPS_BIT & 1), no_fixup=bool(value >> _NO_FIXUP_BIT & 1)
            )
        self._become(pid, identity, changed)
        return CONTINUE

    def _become(self, pid: int, old: Identity, new: Identity) -> None:
        if new != old:
            self.state.identities.give(pid, new)

    def chroot(self, _pid: int, *_: int) -> int:
        """From now on look at each process's root before its paths."""
        self.state.names.views_differ = True
        return CONTINUE

    def pivot_root(self, _pid: int, *_: int) -> int:
        return self.chroot(_pid)

    def unshare(self, _pid: int, *_: int) -> int:
        return self.chroot(_pid)

    def setns(self, _pid: int, *_: int) -> int:
        return self.chroot(_pid)
