"""Fitting a plan to this machine: what cannot be had here is taken out of it, with a note that says so."""

import os
from itertools import takewhile
from typing import Final

from attrs import evolve

from envforge.kernel import syscalls
from envforge.sandbox.identity import Identity
from envforge.sandbox.plan import SandboxPlan
from envforge.sandbox.worker import namespace_descriptor

OVER_IDMAPPED: Final = (5, 19)
"""The first kernel with overlay over idmapped mounts."""


def settle(plan: SandboxPlan) -> SandboxPlan:
    """Return the plan as it can be entered here.

    Only a sandbox of root may change: where a file system of its layers or mounts has no idmapped mounts, it
    maps the host's own ids. Raises CapabilityError where no user namespace can be made.
    """
    identity = plan.identity
    if identity.held != "true" or identity.run_uid_map == identity.uid_map or not plan.idmapped:
        return plan
    if kernel_release() < OVER_IDMAPPED:
        return _with_whole_range(plan, "overlay over idmapped mounts takes Linux 5.19")
    places = [f"{plan.store}/layers/{identity.held}"]
    places += [mount.source for mount in plan.mounts if os.path.isdir(mount.source)]
    refused = not_idmappable(identity, places)
    if not refused:
        return plan
    return _with_whole_range(plan, f"the file system of {refused[0]} has no idmapped mounts")


def _with_whole_range(plan: SandboxPlan, note: str) -> SandboxPlan:
    return evolve(plan, idmapped=False, notes=(*plan.notes, note))


def kernel_release() -> tuple[int, int]:
    """Return the first two numbers of the kernel's release."""
    major, minor, *_ = (*os.uname().release.split("."), "0")
    return int(major), int("".join(takewhile(str.isdecimal, minor)) or 0)


def not_idmappable(identity: Identity, places: list[str]) -> list[str]:
    """Return those of the places whose file system cannot be mounted with the ids of root's range."""
    with namespace_descriptor(identity.run_uid_map, identity.run_gid_map) as namespace:
        return [place for place in places if not _is_idmappable(place, namespace)]


def _is_idmappable(place: str, namespace: int) -> bool:
    try:
        tree = syscalls.open_tree(place, syscalls.OPEN_TREE_CLONE)
    except OSError:
        return True  # not there: that is found, and told, on entering
    try:
        syscalls.mount_setattr(
            tree, syscalls.MOUNT_ATTR_IDMAP, user_namespace=namespace, recursive=False, path=place
        )
    except OSError:
        return False
    finally:
        os.close(tree)
    return True
