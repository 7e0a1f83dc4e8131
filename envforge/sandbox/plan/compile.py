"""Compiles a plan into plain values, which marshal can write and the warm path can enter.

Everything that can be decided before entering is decided here: id maps, flags, filter.
"""

import os
from typing import Final

from envforge.errors import CapabilityError
from envforge.kernel import processes, seccomp
from envforge.kernel.capabilities import DEFAULT, NET_RAW, SETFCAP
from envforge.process import find_program
from envforge.sandbox import mounts
from envforge.sandbox.binds import with_parents
from envforge.sandbox.compiled import Cgroup, Ids, Plan, Privileges
from envforge.sandbox.ids.identity import RANGE_IDS, Map, map_text, range_command
from envforge.sandbox.inherited import plain_locale
from envforge.sandbox.limits.choose import compile_limits
from envforge.sandbox.mounts import topmost_once
from envforge.sandbox.plan.model import Account, SandboxPlan

Compiled = Plan

_NAMESPACES: Final = (
    processes.CLONE_NEWUSER
    | processes.CLONE_NEWNS
    | processes.CLONE_NEWPID
    | processes.CLONE_NEWIPC
    | processes.CLONE_NEWUTS
    | processes.CLONE_NEWCGROUP
)


def compile_plan(plan: SandboxPlan) -> Compiled:
    """Return the plan as plain values.

    Raises CapabilityError if its user takes ids that are missing here, LimitError if one of its limits cannot
    be enforced.
    """
    _check_user(plan)
    limits = compile_limits(plan.limits, every=plan.every_cgroup, is_exempt=_whole_range(plan))
    layers_directory = f"{plan.store}/layers/{plan.identity.held}"
    parents = (os.path.dirname(mount.target) for mount in plan.mounts)
    return {
        "store": plan.store,
        "lock": plan.lock_file,
        "layers_directory": layers_directory,
        "layers": tuple(f"{digest}/root" for digest in topmost_once(plan.layers)),
        "uppers": f"{plan.store}/uppers",
        "uppers_relative": os.path.relpath(f"{plan.store}/uppers", layers_directory),
        "trash": f"{plan.store}/trash",
        "flags": _NAMESPACES | (0 if plan.network == "host" else processes.CLONE_NEWNET),
        "network": plan.network,
        "outbound": plan.outbound,
        "published": (),
        "around": None,
        "hostname": plan.hostname,
        "project": plan.project,
        "environment": plan.environment,
        "label": plan.label or plan.hostname,
        "skeleton": with_parents([*mounts.STANDARD, *parents]),
        "mounts": tuple((m.source, m.target, m.read_only, m.optional) for m in plan.mounts),
        "forward": plan.forward,
        "runtime": plan.runtime,
        "runtime_directories": (),
        "runtime_files": (),
        "links": (),
        "relay": None,
        "ways": tuple(None if m.own else m.within for m in plan.mounts),
        "private": plan.private,
        "foreign": _foreign(plan),
        "read_only": plan.read_only,
        "variables": plan.variables,
        "passed": plan.passed,
        "locales": plan.locales and tuple(map(plain_locale, plan.locales)),
        "command": plan.command,
        "cwd": plan.cwd,
        "follow": plan.follow,
        "limits": limits,
        **_ids(plan),
        **_privileges(plan, limits),
    }


def _ids(plan: SandboxPlan) -> Ids:
    """Return the id maps of both user namespaces, and the ids of the payload."""
    uid_map, gid_map = outer_maps(plan)
    return {
        "mapping": _mapping(plan),
        "tools": tuple(find_program(name) or name for name in ("newuidmap", "newgidmap")),
        "uid_map": map_text(uid_map),
        "gid_map": map_text(gid_map),
        "nested": _nested(plan),
        "idmapped": _is_idmapped(plan),
        "owner": (uid_map[0][1], gid_map[0][1]) if _is_idmapped(plan) else None,
        "payload_owner": _payload_owner(plan, uid_map, gid_map),
        "credentials": _credentials(plan),
        "ping_group": (_credentials(plan) or (0, gid_map[0][0]))[1],
        "tty_group": plan.identity.held != "flat",
    }


def _privileges(plan: SandboxPlan, limits: Cgroup) -> Privileges:
    """Return the payload's capabilities and filters, with notes on isolation that is weaker here."""
    weak = _whole_range(plan)
    namespaces = plan.nested_namespaces and not weak
    set_id = plan.foreign is None  # what root makes in another user's project is never set-id
    not_enforced = [
        (f"the limit {name} is not enforced: {why}", name in limits["asked"])
        for name, why in limits["not_enforced"]
    ]
    program = seccomp.program(os.uname().machine, nested=namespaces, set_id=set_id)
    # Root's own uid is 0 inside, and whoever maps that one into a nested namespace must have had this
    # capability (verify_root_map in kernel/user_namespace.c).
    own = (SETFCAP,) if namespaces and plan.identity.held == "true" else ()
    return {
        "bounding": _default(plan) if plan.user != "self" or plan.privileges else own,
        "capabilities": _capabilities(plan, own),
        "no_new_privileges": not plan.privileges,
        "seccomp": program,
        "last_filter": b"" if set_id or not program else seccomp.WITHOUT_OPENAT2,
        "namespaces": namespaces,
        "scopes": _SIGNALS if "x11" in plan.forward else _SIGNALS | _ABSTRACT_SOCKETS,
        "warnings": tuple(told for told, asked in not_enforced if asked),
        "notes": (
            *plan.notes,
            *([_WEAK] if weak else []),
            *([] if program else [_NO_FILTER]),
            *(told for told, asked in not_enforced if not asked),
        ),
    }


def _capabilities(plan: SandboxPlan, own: tuple[int, ...]) -> tuple[int, ...]:
    if plan.user == "self":
        return own
    return _default(plan) if plan.user.uid == 0 else ()


def _default(plan: SandboxPlan) -> tuple[int, ...]:
    """Return the default capabilities, without that for frames of one's own where pasta would believe them.

    It leads each where it says, also to this host: what keeps it from there is the namespace's routes.
    """
    by_pasta = plan.network == "private" and plan.outbound and plan.identity.held != "true"
    return tuple(one for one in DEFAULT if not (by_pasta and one == NET_RAW))


# Scopes of Landlock (linux/landlock.h). libxcb tries an X server's abstract socket first, and if that is
# refused it does not try the one with a path.
_ABSTRACT_SOCKETS: Final = 1
_SIGNALS: Final = 2

_WEAK: Final = (
    "idmapped mounts do not work here: the sandbox maps the host's own ids, and only capabilities, masks and "
    "seccomp keep its root from the host"
)
_NO_FILTER: Final = "there is no seccomp filter for this machine's architecture"


def _check_user(plan: SandboxPlan) -> None:
    if plan.identity.held != "flat":
        return
    own = os.path.basename(os.path.expanduser("~")) or "USER"
    if isinstance(plan.user, Account) and plan.user.uid != 0:
        raise CapabilityError(
            f"running as the user {plan.user.name} needs several ids, and there is a single one here",
            hint=range_command(own, ()),
        )
    if plan.privileges:
        raise CapabilityError(
            "set-id programs and file capabilities need several ids, and there is a single one here",
            hint=range_command(own, ()),
        )


def _foreign(plan: SandboxPlan) -> tuple[str, str, str] | None:
    """Return the foreign directory, and the maps that make its owner, and nobody else, the payload's user."""
    if plan.foreign is None:
        return None
    directory, uid, gid = plan.foreign
    if _whole_range(plan):
        raise CapabilityError(
            f"root cannot enter {directory} of uid {uid} here: that takes idmapped mounts",
            hint="enter it as the user who owns it: runuser -u USER -- COMMAND",
        )
    inside_uid, inside_gid = _payload_owner(plan, *outer_maps(plan))
    return directory, f"{uid} {inside_uid} 1\n", f"{gid} {inside_gid} 1\n"


def _is_idmapped(plan: SandboxPlan) -> bool:
    return plan.identity.held == "true" and plan.idmapped and not _whole_range(plan)


def _whole_range(plan: SandboxPlan) -> bool:
    """Say whether a sandbox of root has to map the host's own ids."""
    identity = plan.identity
    return identity.held == "true" and (not plan.idmapped or identity.run_uid_map == identity.uid_map)


def outer_maps(plan: SandboxPlan) -> tuple[Map, Map]:
    """Return the maps of namespace A, in which the mounts are made."""
    identity = plan.identity
    if identity.held == "flat" and plan.user == "self":
        # A single id can be mapped to its own number at once, without a second namespace.
        uid, gid = identity.uid_map[0][1], identity.gid_map[0][1]
        return ((uid, uid, 1),), ((gid, gid, 1),)
    if _whole_range(plan):
        return identity.uid_map, identity.gid_map
    return identity.run_uid_map, identity.run_gid_map


def _mapping(plan: SandboxPlan) -> str:
    if plan.identity.needs_tools:
        return "tools"
    return "self" if plan.identity.held == "flat" else "parent"


def _nested(plan: SandboxPlan) -> tuple[str, str] | None:
    """Return the maps of namespace B, None if the payload stays in A."""
    if plan.user != "self" or not plan.identity.needs_tools:
        return None
    uid, gid = plan.identity.uid_map[0][1], plan.identity.gid_map[0][1]
    return map_text(swapped(uid, _last(plan.identity.uid_map))), map_text(
        swapped(gid, _last(plan.identity.gid_map))
    )


def _last(ids: Map) -> int:
    return max(inside + count - 1 for inside, _, count in ids)


def swapped(own: int, last: int) -> Map:
    """Return a map of the ids 0 to `last` that swaps 0 and the own id.

    If the own id is beyond `last`, inside 0 becomes `last` outside.
    """
    if own == 0:
        return ((0, 0, last + 1),)
    if own > last:
        return ((own, 0, 1), (0, last, 1), (1, 1, last - 1))
    lines = [(own, 0, 1), (0, own, 1), (1, 1, own - 1), (own + 1, own + 1, last - own)]
    return tuple(line for line in lines if line[2] > 0)


def _credentials(plan: SandboxPlan) -> tuple[int, int, tuple[int, ...]] | None:
    """Return uid, gid and groups to take on, None to keep those that the namespace gives."""
    if plan.user == "self" or plan.identity.held == "flat":
        return None
    return plan.user.uid, plan.user.gid, plan.user.groups


def _payload_owner(plan: SandboxPlan, uid_map: Map, gid_map: Map) -> tuple[int, int]:
    """Return the payload's uid and gid outside."""
    uid, gid = (plan.user.uid, plan.user.gid) if plan.user != "self" else (0, 0)
    return uid_map[0][1] + min(uid, RANGE_IDS - 1), gid_map[0][1] + min(gid, RANGE_IDS - 1)
