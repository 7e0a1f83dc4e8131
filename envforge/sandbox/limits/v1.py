"""Limits by cgroups of version 1: one hierarchy for each controller (kernel, admin-guide/cgroup-v1).

By default a sandbox has cgroups only in the hierarchies that count its processes, memory and processor time:
each further one costs a quarter of a millisecond at every entry.
"""

import os
from typing import Final

from attrs import field, frozen

from envforge.sandbox.limits.hierarchies import NAME, Hierarchies, is_writable
from envforge.sandbox.limits.model import NO_LIMIT, Enforced, Limits

_USUAL: Final = ("pids", "memory", "cpuacct")
_ALL: Final = (*_USUAL, "cpu", "cpuset", "blkio", "freezer")
_PERIOD_US: Final = 100_000
_SHARES: Final = 1024
"""Of a cgroup with the usual weight."""


def bases(found: Hierarchies) -> dict[str, str]:
    """Return the directory for the sandboxes' cgroups, for each controller where this user can make some."""
    usable = {}
    for name in _ALL:
        mounted = found.separate.get(name)
        if mounted is None:
            continue
        for directory in _candidates(mounted, found.own.get(name, "/")):
            if is_writable(f"{directory}/{NAME}") or is_writable(directory):
                usable[name] = f"{directory}/{NAME}"
                break
    return usable


def _candidates(mounted: str, own: str) -> tuple[str, ...]:
    """Root's are at the top, like those of other container engines; else below the caller's own cgroup."""
    return (mounted,) if os.geteuid() == 0 else (f"{mounted}{own}".rstrip("/"),)


@frozen
class _Building:
    """Collects what is to be made and written."""

    usable: dict[str, str]
    bases: list[str] = field(factory=list)
    writes: list[tuple[int, str, str]] = field(factory=list)
    disks: list[tuple[int, str, str]] = field(factory=list)
    missing: dict[str, str] = field(factory=dict)

    def place(self, controller: str) -> int:
        """Return the number of the base for a controller, -1 where there is none."""
        if controller not in self.usable:
            return -1
        base = self.usable[controller]
        if base not in self.bases:
            self.bases.append(base)
        return self.bases.index(base)

    def write(self, limit: str, controller: str, *files: tuple[str, str]) -> None:
        """Have files written in a controller's cgroup, or note why the limit cannot be had."""
        number = self.place(controller)
        if number < 0:
            self.missing[limit] = f"no cgroup can be made for the controller {controller} (cgroups v1)"
        self.writes.extend((number, file, text) for file, text in files if number >= 0)


def enforce(limits: Limits, found: Hierarchies, *, every: bool = False) -> Enforced:
    """Return how limits are enforced; `every`: in all hierarchies, so that all can be limited later."""
    building = _Building(bases(found))
    for name in _ALL if every else _USUAL:
        building.place(name)
    _pids(building, limits)
    _memory(building, limits, found)
    _processors(building, limits)
    _disks(building, limits)
    return Enforced(
        bases=tuple(building.bases),
        writes=tuple(building.writes),
        disks=tuple(building.disks),
        missing=building.missing,
    )


def _pids(building: _Building, limits: Limits) -> None:
    if limits.pids is not None and limits.pids != NO_LIMIT:
        building.write("pids", "pids", ("pids.max", str(limits.pids + 1)))  # with our PID 1


def _memory(building: _Building, limits: Limits, found: Hierarchies) -> None:
    if limits.memory is None:
        return
    building.write("memory", "memory", ("memory.limit_in_bytes", str(limits.memory)))
    counted = os.path.exists(f"{found.separate.get('memory', '')}/memory.memsw.limit_in_bytes")
    if counted and "memory" not in building.missing:
        swap = limits.swap or 0
        total = -1 if swap == NO_LIMIT else limits.memory + swap
        building.write("swap", "memory", ("memory.memsw.limit_in_bytes", str(total)))
    elif limits.swap is not None and not counted:
        building.missing["swap"] = "the kernel does not count swap: boot it with swapaccount=1"


def _processors(building: _Building, limits: Limits) -> None:
    if limits.cpus is not None:
        quota = max(1000, round(limits.cpus * _PERIOD_US))  # a millisecond is the kernel's least
        building.write(
            "cpus", "cpu", ("cpu.cfs_period_us", str(_PERIOD_US)), ("cpu.cfs_quota_us", str(quota))
        )
    if limits.cpu_weight is not None:
        shares = max(2, limits.cpu_weight * _SHARES // 100)
        building.write("cpu-weight", "cpu", ("cpu.shares", str(shares)))
    if limits.cpuset:
        building.write("cpuset", "cpuset", ("cpuset.cpus", limits.cpuset))


def _disks(building: _Building, limits: Limits) -> None:
    for limit, verb, rate in (("io-read", "read", limits.io_read), ("io-write", "write", limits.io_write)):
        if rate is None:
            continue
        number = building.place("blkio")
        if number < 0:
            building.write(limit, "blkio")
        else:
            building.disks.append((number, f"blkio.throttle.{verb}_bps_device", f"* {rate}"))
    for path, verb, rate in limits.devices:
        device = os.stat(path).st_rdev
        text = f"{os.major(device)}:{os.minor(device)} {rate}"
        building.write(f"io-{verb}", "blkio", (f"blkio.throttle.{verb}_bps_device", text))


def widened(enforced: Enforced, found: Hierarchies) -> tuple[str, ...]:
    """Return the bases that are not among those of `enforced`: a limit of later may need one of them."""
    return tuple(dict.fromkeys(base for base in bases(found).values() if base not in enforced.bases))
