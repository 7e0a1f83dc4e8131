"""Faked credentials of processes, for which the kernel knows one id only: users, groups, capability masks.

A process's identity is an index into this table. It is kept where fork and exec inherit it and nobody looks:
in the soft limit RLIMIT_RTTIME, as 2^45 + index microseconds, more than a year of real-time work.
"""

import resource
from resource import RLIMIT_RTTIME, prlimit

from attrs import define, evolve, field, frozen

from envforge.errors import CapabilityError
from envforge.kernel import capabilities

ALL_CAPABILITIES = sum(1 << capability for capability in capabilities.DEFAULT)
"""Root's capabilities in the tree: if more than the kernel's were reported, capset(2) would fail."""
_BASE = 1 << 45
_MOST = 4096

Ids = tuple[int, int, int, int]
"""Real, effective, saved, file system."""


@frozen(slots=True)
class Identity:
    """Users, groups and capabilities of a process, as credentials(7) and capabilities(7) describe them."""

    uids: Ids = (0, 0, 0, 0)
    gids: Ids = (0, 0, 0, 0)
    groups: tuple[int, ...] = ()
    permitted: int = ALL_CAPABILITIES
    effective: int = ALL_CAPABILITIES
    keeps: bool = False
    """PR_SET_KEEPCAPS"""
    no_fixup: bool = False
    """SECBIT_NO_SETUID_FIXUP"""

    def can(self, capability: int) -> bool:
        """Say if the capability is in the effective set."""
        return bool(self.effective >> capability & 1)

    def in_group(self, gid: int, *, real: bool = False) -> bool:
        """Say if the process is in the group."""
        return gid == self.gids[0 if real else 3] or gid in self.groups

    def may(self, wanted: int, mode: int, uid: int, gid: int, *, real: bool = False) -> bool:
        """Say if read (4), write (2), execute (1) are allowed by a file's mode; `real`: as access(2) asks."""
        if (self.uids[0] == 0) if real else self.can(capabilities.DAC_OVERRIDE):
            return True
        if uid == self.uids[0 if real else 3]:
            mode >>= 6
        elif self.in_group(gid, real=real):
            mode >>= 3
        return mode & wanted == wanted


ROOT = Identity()


def with_uids(old: Identity, uids: Ids) -> Identity:
    """Return the identity after a change of uids, with the masks that capabilities(7) says it has then."""
    new = evolve(old, uids=uids)
    if old.no_fixup:
        return new
    permitted, effective = old.permitted, old.effective
    if 0 in old.uids[:3] and 0 not in uids[:3]:
        permitted, effective = (permitted if old.keeps else 0), 0
    if old.uids[1] == 0 and uids[1] != 0:
        effective = 0
    if old.uids[1] != 0 and uids[1] == 0:
        effective = permitted
    return evolve(new, permitted=permitted, effective=effective)


def after_exec(old: Identity, *, set_uid: int | None, set_gid: int | None) -> Identity:
    """Return the identity of a process after exec; `set_*`: owners of a set-id file."""
    real, effective = old.uids[0], old.uids[1] if set_uid is None else set_uid
    group = old.gids[1] if set_gid is None else set_gid
    return evolve(
        old,
        uids=(real, effective, effective, effective),
        gids=(old.gids[0], group, group, group),
        keeps=False,
        permitted=ALL_CAPABILITIES if 0 in {real, effective} else 0,
        effective=ALL_CAPABILITIES if effective == 0 else 0,
    )


@define(slots=True)
class Identities:
    """Knows each process's identity. While there is only root's, no process's limit is read."""

    _known: list[Identity] = field(factory=lambda: [ROOT])
    _indexes: dict[Identity, int] = field(factory=lambda: {ROOT: 0})

    def of(self, pid: int) -> Identity:
        """Return the identity of a process. Raises OSError if it has ended."""
        if len(self._known) == 1:
            return ROOT
        index = prlimit(pid, RLIMIT_RTTIME)[0] - _BASE
        if 0 <= index < len(self._known):
            return self._known[index]
        return ROOT

    def give(self, pid: int, identity: Identity) -> None:
        """Make `identity` the process's own. Raises CapabilityError if its limit cannot be set."""
        index = self._indexes.get(identity)
        if index is None:
            index = self._add(identity)
        _, hard = prlimit(pid, RLIMIT_RTTIME)
        if hard != resource.RLIM_INFINITY and hard < _BASE + _MOST:
            raise CapabilityError(
                "the limit of real-time processor time (RLIMIT_RTTIME) is lowered, and owners need it",
                hint="ulimit -R unlimited",
            )
        prlimit(pid, RLIMIT_RTTIME, (_BASE + index, hard))

    def _add(self, identity: Identity) -> int:
        index = len(self._known)
        if index == _MOST:
            raise CapabilityError(
                f"more than {_MOST} different users, groups and capability sets in one build"
            )
        self._known.append(identity)
        self._indexes[identity] = index
        return index
