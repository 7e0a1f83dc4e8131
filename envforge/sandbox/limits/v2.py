"""Limits by the unified cgroup hierarchy (kernel, admin-guide/cgroup-v2)."""

import os
from typing import Final

from envforge.sandbox import cgroup
from envforge.sandbox.limits.hierarchies import NAME, Hierarchies, controllers, is_writable
from envforge.sandbox.limits.model import NO_LIMIT, Enforced, Limits

CONTROLLERS: Final = ("memory", "pids", "cpu", "io", "cpuset")
_PERIOD_US: Final = 100_000
CALLERS: Final = "envforge-callers"
"""The cgroup in a delegated one that the processes there move to: only one without processes hands on."""
SCOPE: Final = f"{NAME}.scope"
"""The unit in which systemd's user manager delegates cgroups to us (`manager.py`)."""
_DELEGATED: Final = ("user.delegate", "trusted.delegate")
"""Attributes that systemd sets on a cgroup whose inside is somebody else's."""


def base(found: Hierarchies) -> str:
    """Return the directory for the sandboxes' cgroups, empty where this user can make none.

    Root's is at the top. Another user's is in the nearest cgroup that is delegated: a unit of systemd with
    `Delegate=yes`, or by who runs a machine without systemd. What systemd's user manager has is its own.
    """
    top = found.unified
    if not top:
        return ""
    if os.geteuid() == 0:
        return f"{top}/{NAME}" if is_writable(f"{top}/{NAME}") or is_writable(top) else ""
    here = f"{top}{found.own.get('', '/')}".rstrip("/")
    while len(here) > len(top) and os.path.basename(here) != f"user@{os.geteuid()}.service":
        if os.path.basename(here) not in (CALLERS, SCOPE) and is_writable(here) and _is_delegated(here):
            return f"{here}/{NAME}"
        here = os.path.dirname(here)
    return ""


def _is_delegated(directory: str) -> bool:
    for name in _DELEGATED:
        try:
            return os.getxattr(directory, name) == b"1"
        except OSError:
            continue
    return os.stat(directory).st_uid == os.geteuid() and not os.path.exists("/run/systemd/system")


def available(base_directory: str) -> frozenset[str]:
    """Return the controllers that cgroups in a base have."""
    try:
        with open(f"{base_directory}/cgroup.subtree_control", encoding="ascii") as file:
            return frozenset(file.read().split())
    except OSError:
        return frozenset()


def counts_swap(directory: str) -> bool:
    """Say whether the kernel counts swap; `directory` is a cgroup that has the controller of memory."""
    return os.path.exists(f"{directory}/memory.swap.max")


def enforce(limits: Limits, base_directory: str, there: frozenset[str], *, swap: bool) -> Enforced:
    """Return how limits are enforced in a base whose cgroups have the controllers that are `there`.

    `swap`: the kernel counts it.
    """
    writes: list[tuple[int, str, str]] = []
    disks: list[tuple[int, str, str]] = []
    missing = {}
    for limit, controller, file, text in _wanted(limits):
        if controller not in there:
            missing[limit] = f"cgroups here have no controller {controller} (they have {_listed(there)})"
        elif text.startswith("* "):
            disks.append((0, file, text))
        else:
            writes.append((0, file, text))
    if not swap:
        writes = [one for one in writes if one[1] != "memory.swap.max"]
        if limits.swap is not None:
            missing.setdefault("swap", "the kernel does not count swap: boot it with swapaccount=1")
    if limits.swap is None:
        missing.pop("swap", None)
    return Enforced((base_directory,), tuple(writes), tuple(disks), missing)


def _wanted(limits: Limits) -> list[tuple[str, str, str, str]]:
    """Return limit, controller, file and text of everything to be written."""
    found = []
    if limits.pids is not None and limits.pids != NO_LIMIT:
        found.append(("pids", "pids", "pids.max", str(limits.pids + 1)))  # with our PID 1
    if limits.memory is not None:
        swap = "max" if limits.swap == NO_LIMIT else str(limits.swap or 0)
        found.append(("memory", "memory", "memory.max", str(limits.memory)))
        found.append(("swap", "memory", "memory.swap.max", swap))
    if limits.cpus is not None:
        quota = max(1000, round(limits.cpus * _PERIOD_US))  # a millisecond is the kernel's least
        found.append(("cpus", "cpu", "cpu.max", f"{quota} {_PERIOD_US}"))
    if limits.cpu_weight is not None:
        found.append(("cpu-weight", "cpu", "cpu.weight", str(limits.cpu_weight)))
    if limits.cpuset:
        found.append(("cpuset", "cpuset", "cpuset.cpus", limits.cpuset))
    for limit, key, rate in (("io-read", "rbps", limits.io_read), ("io-write", "wbps", limits.io_write)):
        if rate is not None:
            found.append((limit, "io", "io.max", f"* {key}={rate}"))
    for path, verb, rate in limits.devices:
        device = os.stat(path).st_rdev
        text = f"{os.major(device)}:{os.minor(device)} {verb[0]}bps={rate}"
        found.append((f"io-{verb}", "io", "io.max", text))
    return found


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def prepare(base_directory: str) -> None:
    """Make a base, and have it hand its controllers on to the cgroups in it."""
    above = os.path.dirname(base_directory)
    os.makedirs(base_directory, exist_ok=True)
    if os.geteuid() != 0:
        _make_room(above)
    for directory in (above, base_directory):
        hand_on(directory)


def _make_room(directory: str) -> None:
    """Move the processes of a delegated cgroup into one below it."""
    for pid in _processes(directory):
        os.makedirs(f"{directory}/{CALLERS}", exist_ok=True)
        try:
            cgroup.move([f"{directory}/{CALLERS}"], pid)
        except OSError:
            continue  # it has just ended


def _processes(directory: str) -> list[int]:
    with open(f"{directory}/cgroup.procs", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def hand_on(directory: str) -> None:
    """Enable every controller of ours, as far as there is one, for the cgroups in a directory."""
    there = controllers(directory)
    try:
        with open(f"{directory}/cgroup.subtree_control", encoding="ascii") as file:
            on = set(file.read().split())
    except OSError:
        return
    for name in CONTROLLERS:
        if name not in there or name in on:
            continue
        try:
            with open(f"{directory}/cgroup.subtree_control", "w", encoding="ascii") as file:
                file.write(f"+{name}")
        except OSError:
            continue  # writing a limit says what is missing
