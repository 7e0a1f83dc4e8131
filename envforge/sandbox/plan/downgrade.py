"""Downgrades a plan to what this machine supports, with a note on what is weaker then."""

import os

from attrs import evolve

from envforge.kernel import release
from envforge.sandbox.ids.idmappable import not_idmappable
from envforge.sandbox.plan.model import SandboxPlan


def downgrade(plan: SandboxPlan) -> SandboxPlan:
    """Return the plan as it can be entered here.

    Only a sandbox of root may change: if a file system of its layers or mounts cannot be idmapped, it maps
    the host's own ids. Raises CapabilityError if no user namespace can be made.
    """
    identity = plan.identity
    if identity.held != "true" or identity.run_uid_map == identity.uid_map or not plan.idmapped:
        return plan
    if release.version() < release.OVER_IDMAPPED:
        return _with_whole_range(plan, "overlay over idmapped mounts takes Linux 5.19")
    places = [f"{plan.store}/layers/{identity.held}"]
    places += [mount.source for mount in plan.mounts if os.path.isdir(mount.source)]
    refused = not_idmappable(identity, places)
    if not refused:
        return plan
    return _with_whole_range(plan, f"the file system of {refused[0]} has no idmapped mounts")


def _with_whole_range(plan: SandboxPlan, note: str) -> SandboxPlan:
    return evolve(plan, idmapped=False, notes=(*plan.notes, note))
