"""Chooses how a sandbox's limits are enforced on this machine, and compiles that for the warm path."""

import os
from typing import Final

from attrs import evolve, frozen

from envforge.errors import LimitError
from envforge.kernel import release
from envforge.sandbox.compiled import Cgroup
from envforge.sandbox.limits import hierarchies, manager, v1, v2
from envforge.sandbox.limits.hierarchies import Hierarchies
from envforge.sandbox.limits.model import NO_LIMIT, PIDS_DEFAULT, Enforced, Limits

V1: Final = "v1"
V2: Final = "v2"
MANAGER: Final = "manager"
"""Version 2, in cgroups that systemd's user manager delegates."""
NONE: Final = ""
_SYSTEMD: Final = "/run/systemd/system"
_LIMITED: Final = ("cpu", "cpuset", "io", "memory", "pids")
_NO_LIMITS: Final = frozenset({"cpuacct", "freezer", "hugetlb"})
"""Controllers that count or stop only, or that nobody limits here."""


@frozen
class Backend:
    """What enforces limits here."""

    kind: str
    found: Hierarchies
    base: str = ""
    """Of version 2."""
    why_not: str = ""
    """Why there is none."""
    mend: str = ""
    """What gives one, or one with more controllers."""

    def told(self) -> str:
        """Return what a user is told of it."""
        name = "v2, delegated by systemd's user manager" if self.kind == MANAGER else self.kind
        return f"{name}; limits of {', '.join(self.controllers())}" if name else self.why_not

    def falls_short(self) -> tuple[str, str]:
        """Return what of limits cannot be had here and what gives it, both empty where nothing is missing."""
        lacking = [name for name in _LIMITED if name not in self.controllers()]
        if not self.kind:
            return "[limits] other than pids cannot be enforced, and nothing can be paused", self.mend
        if lacking:
            return f"limits of {', '.join(lacking)} cannot be enforced", self.mend
        if self.ends_with_session():
            return "containers with limits end with your last session", "loginctl enable-linger"
        return "", ""

    def enforce(self, limits: Limits, *, every: bool) -> Enforced:
        """Return how limits are enforced; with none of the back ends nothing is."""
        if self.kind == V1:
            return v1.enforce(limits, self.found, every=every)
        if self.kind in (V2, MANAGER):
            swap = v2.counts_swap(self.base if self.kind == V2 else manager.own(self.found))
            return v2.enforce(limits, self.base, self._unified(), swap=swap)
        return Enforced(missing=dict.fromkeys(asked_for(limits), self.why_not))

    def controllers(self) -> tuple[str, ...]:
        """Return what can be limited, by the kernel's names."""
        names = v1.bases(self.found) if self.kind == V1 else self._unified()
        return tuple(sorted({"blkio": "io"}.get(name, name) for name in names if name not in _NO_LIMITS))

    def _unified(self) -> frozenset[str]:
        """Return the controllers that cgroups of version 2 have here."""
        return manager.available(self.found) if self.kind == MANAGER else v2.available(self.base)

    def ends_with_session(self) -> bool:
        """Say whether what has a cgroup here ends with the user's last session."""
        return self.kind == MANAGER and not manager.lingers()

    def others(self, enforced: Enforced) -> tuple[str, ...]:
        """Return the bases in which a cgroup may be made later."""
        if self.kind == V1:
            return v1.widened(enforced, self.found)
        return (self.base,) if self.base and self.base not in enforced.bases else ()


def backend() -> Backend:
    """Return what enforces limits here, for this user."""
    found = hierarchies.find()
    if "memory" in found.unified_controllers or "pids" in found.unified_controllers:
        base = v2.base(found)
        if base and _prepared(base):
            return Backend(V2, found, base, mend=_MEND_KERNEL if os.geteuid() == 0 else _MEND_DELEGATION)
        if managed := manager.base(found):
            return Backend(MANAGER, found, managed, mend=_MEND_DELEGATION)
        return Backend(NONE, found, why_not=_no_cgroup(), mend=_mend_v2())
    if v1.bases(found):
        return Backend(V1, found, mend=_MEND_KERNEL if os.geteuid() == 0 else _MEND_ROOT)
    if not found.separate:
        return Backend(NONE, found, why_not="no cgroups are mounted here", mend=_MEND_ROOT)
    return Backend(NONE, found, why_not=_no_cgroup(), mend=_MEND_ROOT)


def _prepared(base: str) -> bool:
    """Make the base: only the files in it tell what can be limited."""
    try:
        v2.prepare(base)
    except OSError:
        return False
    return True


def _no_cgroup() -> str:
    if os.geteuid() == 0:
        return "/sys/fs/cgroup is read-only here, as in a container"
    if os.path.exists(_SYSTEMD):
        return "this user may make no cgroup, and no systemd runs for it that could"
    return "this user may make no cgroup"


_MEND_KERNEL: Final = "boot a kernel with these controllers, or write `required = false` in [limits]"
_MEND_DELEGATION: Final = (
    "sudo systemctl edit user@.service, there [Service] Delegate=cpu cpuset io memory pids, and log in again"
)
_MEND_ROOT: Final = "run it as root, or write `required = false` in [limits]"


def _mend_v2() -> str:
    if os.geteuid() != 0 and os.path.exists(_SYSTEMD):
        return "start systemd's user manager: `loginctl enable-linger`, which root may do for every user"
    return _MEND_ROOT


def asked_for(limits: Limits) -> tuple[str, ...]:
    """Return the names of the limits that somebody asked for, as the spec has them."""
    named: dict[str, object] = {
        "memory": limits.memory,
        "swap": limits.swap,
        "cpus": limits.cpus,
        "cpu-weight": limits.cpu_weight,
        "cpuset": limits.cpuset or None,
        "pids": None if limits.pids == NO_LIMIT else limits.pids,
        "io-read": limits.io_read,
        "io-write": limits.io_write,
    }
    devices = tuple(f"io-{verb}" for _, verb, _ in limits.devices)
    return tuple(dict.fromkeys([name for name, value in named.items() if value is not None] + list(devices)))


def compile_limits(limits: Limits, *, every: bool = False, is_exempt: bool = False) -> Cgroup:
    """Return limits as plain values. `is_exempt`: the kernel does not count this user's processes (root's).

    A sandbox without limits of its own gets no cgroup before it needs one (see `cgroup.py`), but for `every`
    one; and that neither where it would end with the user's last session, as systemd's user manager does.
    Raises LimitError if one that was asked for cannot be enforced, unless they are not `required`.
    """
    check_processors(limits.cpuset)
    default = limits.pids is None
    whole = evolve(limits, pids=PIDS_DEFAULT if default else limits.pids)
    here = backend()
    by_namespace = not is_exempt and release.version() >= release.COUNTS_BY_NAMESPACE
    is_at_once = every and not here.ends_with_session()
    is_later = by_namespace and not limits.asked and not is_at_once
    enforced = Enforced(missing={"pids": ""}) if is_later else here.enforce(whole, every=every)
    missing = dict(enforced.missing)
    processes = 0
    if "pids" in missing and by_namespace:
        processes = (whole.pids or 0) + 1  # with our PID 1
        del missing["pids"]
    asked = asked_for(limits)
    for name in asked:
        if name in missing and limits.required:
            raise LimitError(f"the limit {name} cannot be enforced: {missing[name]}", hint=here.mend)
    return {
        "kind": here.kind,
        "bases": enforced.bases,
        "others": here.others(enforced),
        "writes": enforced.writes,
        "disks": enforced.disks,
        "processes": processes,
        "memory": limits.memory or 0,
        "asked": asked,
        "not_enforced": tuple((name, why) for name, why in missing.items() if name in asked or default),
    }


def check_processors(cpuset: str) -> None:
    """Raise LimitError where a set names processors that this machine does not have."""
    there = online()
    wanted = numbers(cpuset)
    if absent := sorted(wanted - there):
        raise LimitError(
            f"cpuset {cpuset!r} names processors that are not there: {', '.join(map(str, absent))}",
            hint=f"name some of {', '.join(map(str, sorted(there)))}",
        )


def online() -> set[int]:
    """Return the numbers of the machine's processors."""
    with open("/sys/devices/system/cpu/online", encoding="ascii") as file:
        return numbers(file.read().strip())


def numbers(text: str) -> set[int]:
    """Return the numbers in a list as the kernel writes it: `0-2,5` (cpuset(7))."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found
