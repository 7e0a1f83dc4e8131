"""Makes the directories that hold the sandboxes' cgroups, and removes what crashed sandboxes left in them."""

import os
from collections.abc import Iterable

from envforge.sandbox import cgroup
from envforge.sandbox.limits import hierarchies, manager, v1, v2


def prepare(bases: Iterable[str], pids: Iterable[int]) -> None:
    """Make the bases of a plan, as far as they are missing, so that these processes can be moved below them.

    Raises OSError.
    """
    for base in bases:
        if manager.is_managed(base):
            manager.prepare(base, pids)
            continue
        if os.path.exists(f"{os.path.dirname(base)}/cgroup.controllers"):
            v2.prepare(base)
            continue
        os.makedirs(base, exist_ok=True)
        if os.path.exists(f"{base}/cpuset.cpus"):
            _inherit_set(base)


def _inherit_set(base: str) -> None:
    """Give a base in the hierarchy of `cpuset` its parent's processors and memory, and have it pass them on.

    Without any, no process can enter (cpuset(7)).
    """
    for name in ("cpuset.cpus", "cpuset.mems"):
        with open(f"{os.path.dirname(base)}/{name}", encoding="ascii") as file:
            cgroup.write(f"{base}/{name}", file.read().strip())
    cgroup.write(f"{base}/cgroup.clone_children", "1")


def all_bases() -> list[str]:
    """Return all bases that this user's sandboxes may have cgroups in."""
    found = hierarchies.find()
    unified = (v2.base(found), manager.base(found))
    return list(dict.fromkeys([*v1.bases(found).values(), *filter(None, unified)]))


def sweep() -> None:
    """Remove the cgroups of sandboxes whose parent is gone."""
    for base in all_bases():
        for name in cgroup.stale(base):
            _thaw(f"{base}/{name}")
            cgroup.remove([f"{base}/{name}"])


def _thaw(path: str) -> None:
    """Thaw a cgroup of version 1: its frozen processes do not even take SIGKILL (freezer-subsystem.txt)."""
    if os.path.exists(f"{path}/freezer.state"):
        cgroup.write(f"{path}/freezer.state", "THAWED")
