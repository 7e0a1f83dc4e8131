"""Calls that read or change a process's credentials, as credentials(7) describes them."""

import errno
from struct import pack, unpack

from attrs import define, evolve

from envforge.kernel import capabilities
from envforge.sandbox.owners import memory
from envforge.sandbox.owners.state.identities import ROOT, Identity, Ids, with_uids
from envforge.sandbox.owners.state.shared import CONTINUE, NO_ID, SharedState

_ROOM_FOR_GROUPS = 2048
_NO_LIMIT = b"\xff" * 16


def set_one(ids: Ids, wanted: int, *, privileged: bool) -> Ids | None:
    """Return the ids after setuid(2) or setgid(2); None if that is not permitted."""
    if privileged:
        return (wanted, wanted, wanted, wanted)
    if wanted in (ids[0], ids[2]):
        return (ids[0], wanted, ids[2], wanted)
    return None


def set_real_effective(ids: Ids, real: int, effective: int, *, privileged: bool) -> Ids | None:
    """Return the ids after setreuid(2) or setregid(2); None if that is not permitted."""
    if not privileged and (real not in (NO_ID, ids[0], ids[1]) or effective not in (NO_ID, *ids[:3])):
        return None
    new_real = ids[0] if real == NO_ID else real
    new_effective = ids[1] if effective == NO_ID else effective
    saves = real != NO_ID or effective not in (NO_ID, ids[0])
    return (new_real, new_effective, new_effective if saves else ids[2], new_effective)


def set_all(ids: Ids, wanted: tuple[int, int, int], *, privileged: bool) -> Ids | None:
    """Return the ids after setresuid(2) or setresgid(2); None if that is not permitted."""
    if not privileged and any(one != NO_ID and one not in ids[:3] for one in wanted):
        return None
    real, effective, saved = (old if new == NO_ID else new for old, new in zip(ids[:3], wanted, strict=True))
    return (real, effective, saved, effective)


@define(slots=True)
class IdentityCalls:
    """Answers for processes that are not root's; root's own questions the kernel answers rightly."""

    state: SharedState

    def getuid(self, pid: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        return CONTINUE if identity is ROOT else identity.uids[0]

    def geteuid(self, pid: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        return CONTINUE if identity is ROOT else identity.uids[1]

    def getgid(self, pid: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        return CONTINUE if identity is ROOT else identity.gids[0]

    def getegid(self, pid: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        return CONTINUE if identity is ROOT else identity.gids[1]

    def getresuid(self, pid: int, real: int, effective: int, saved: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        return CONTINUE if identity is ROOT else _tell(pid, (real, effective, saved), identity.uids)

    def getresgid(self, pid: int, real: int, effective: int, saved: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        return CONTINUE if identity is ROOT else _tell(pid, (real, effective, saved), identity.gids)

    def getgroups(self, pid: int, size: int, groups: int, *_: int) -> int:
        """Answer for root too: the kernel would name the user's own unmapped groups."""
        mine = self.state.identities.of(pid).groups
        size &= 0xFFFFFFFF
        if size == 0 or not mine:
            return len(mine)
        if size < len(mine):
            return -errno.EINVAL
        return memory.write(pid, groups, pack(f"<{len(mine)}I", *mine)) or len(mine)

    def setgroups(self, pid: int, size: int, groups: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        size &= 0xFFFFFFFF
        if not identity.can(capabilities.SETGID):
            return -errno.EPERM
        if size > _ROOM_FOR_GROUPS:
            return -errno.EINVAL
        data = memory.read(pid, groups, 4 * size) if size else b""
        if data is None:
            return -errno.EFAULT
        return self._become(pid, identity, evolve(identity, groups=tuple(sorted(unpack(f"<{size}I", data)))))

    def setuid(self, pid: int, wanted: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        if wanted & NO_ID == NO_ID:
            return -errno.EINVAL
        return self._users(
            pid,
            identity,
            set_one(identity.uids, wanted & NO_ID, privileged=identity.can(capabilities.SETUID)),
        )

    def setgid(self, pid: int, wanted: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        if wanted & NO_ID == NO_ID:
            return -errno.EINVAL
        return self._groups(
            pid,
            identity,
            set_one(identity.gids, wanted & NO_ID, privileged=identity.can(capabilities.SETGID)),
        )

    def setreuid(self, pid: int, real: int, effective: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        new = set_real_effective(
            identity.uids, real & NO_ID, effective & NO_ID, privileged=identity.can(capabilities.SETUID)
        )
        return self._users(pid, identity, new)

    def setregid(self, pid: int, real: int, effective: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        new = set_real_effective(
            identity.gids, real & NO_ID, effective & NO_ID, privileged=identity.can(capabilities.SETGID)
        )
        return self._groups(pid, identity, new)

    def setresuid(self, pid: int, real: int, effective: int, saved: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        wanted = (real & NO_ID, effective & NO_ID, saved & NO_ID)
        return self._users(
            pid, identity, set_all(identity.uids, wanted, privileged=identity.can(capabilities.SETUID))
        )

    def setresgid(self, pid: int, real: int, effective: int, saved: int, *_: int) -> int:
        identity = self.state.identities.of(pid)
        wanted = (real & NO_ID, effective & NO_ID, saved & NO_ID)
        return self._groups(
            pid, identity, set_all(identity.gids, wanted, privileged=identity.can(capabilities.SETGID))
        )

    def setfsuid(self, pid: int, wanted: int, *_: int) -> int:
        """Return the old id, whether it changed or not."""
        identity, wanted = self.state.identities.of(pid), wanted & NO_ID
        if identity.can(capabilities.SETUID) or wanted in identity.uids:
            self._become(pid, identity, evolve(identity, uids=_with_file_id(identity.uids, wanted)))
        return identity.uids[3]

    def setfsgid(self, pid: int, wanted: int, *_: int) -> int:
        """Return the old id, whether it changed or not."""
        identity, wanted = self.state.identities.of(pid), wanted & NO_ID
        if identity.can(capabilities.SETGID) or wanted in identity.gids:
            self._become(pid, identity, evolve(identity, gids=_with_file_id(identity.gids, wanted)))
        return identity.gids[3]

    def setrlimit(self, _pid: int, *_: int) -> int:
        """Pretend: the limit that identities are kept in (RLIMIT_RTTIME) stays, whatever PAM sets it to."""
        return 0

    def prlimit64(self, pid: int, _of: int, _resource: int, _new: int, old: int, *_: int) -> int:
        """Pretend likewise; report no limit."""
        return memory.write(pid, old, _NO_LIMIT) if old else 0

    def _users(self, pid: int, identity: Identity, uids: Ids | None) -> int:
        if uids is None:
            return -errno.EPERM
        return self._become(pid, identity, with_uids(identity, uids))

    def _groups(self, pid: int, identity: Identity, gids: Ids | None) -> int:
        if gids is None:
            return -errno.EPERM
        return self._become(pid, identity, evolve(identity, gids=gids))

    def _become(self, pid: int, old: Identity, new: Identity) -> int:
        if new != old:
            self.state.identities.give(pid, new)
        return 0


def _with_file_id(ids: Ids, wanted: int) -> Ids:
    return ids if wanted == NO_ID else (*ids[:3], wanted)


def _tell(pid: int, addresses: tuple[int, int, int], ids: Ids) -> int:
    for address, value in zip(addresses, ids[:3], strict=True):
        if memory.write(pid, address, pack("<I", value)):
            return -errno.EFAULT
    return 0
