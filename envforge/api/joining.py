"""`exec`: finds a running sandbox, and runs a further command in it, as its user or another one."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from envforge import trust
from envforge.containers import joined, plans, records, truth
from envforge.containers import named as naming
from envforge.environment.entering.plan import RunOptions, make_plan
from envforge.environment.projects.location import check_is_here
from envforge.environment.projects.project import open_project
from envforge.errors import CapabilityError, ConflictError, NotFoundError, UsageError
from envforge.sandbox.compiled import Plan
from envforge.sandbox.ids import identity as identities
from envforge.sandbox.inherited import payload_environment, start_directory
from envforge.sandbox.life import join, launch
from envforge.sandbox.life.running import Running, running
from envforge.sandbox.plan.compile import compile_plan
from envforge.sandbox.plan.downgrade import downgrade
from envforge.spec.names import DEFAULT

__all__ = ["Running", "container", "enter", "find", "running"]

_OF_USER: Final = frozenset({"HOME", "USER", "LOGNAME", "SHELL", "XDG_RUNTIME_DIR"})
"""The variables that depend on the user."""
_LIST: Final = "`envforge exec` lists what runs"


def container(store: str, named: str, spec: str | None = None, instance: str = "") -> Running | None:
    """Return the container of that name, id, or service of the project here, as what is joined; else None.

    A command in it begins with its variables and in its directory. Raises AmbiguousError, NotFoundError for a
    service that only other instances have, ConflictError for a container that does not run.
    """
    place, here = os.path.realpath(store), naming.spec_here(spec)
    identifier = records.exact(place, named)
    found = records.read(place, identifier) if identifier else None
    if found is None and here:
        found = naming.of_service(place, here, named, instance)
    if found is None:
        return None
    found = truth.checked(found)
    if not found.state["pid"]:
        raise ConflictError(f"the container {found.name} is not running", hint=f"envforge start {found.name}")
    plan: Plan = {
        **plans.read(found),
        "around": tuple(found.state["around"]) or None,
        "variables": tuple(found.config["variables"].items()),
        "cwd": found.config["workdir"],
        "follow": False,
    }
    return joined.target_of(found, plan)


def find(named: str, spec: str | None = None, environment: str | None = None) -> Running:
    """Return the running sandbox with that name or ID prefix; without one, the nearest project's.

    `spec` names another project by the path of its spec, `environment` one of its environments: `default`,
    where None. Where there is no project at all, every sandbox matches. Raises NotFoundError where none
    matches, UsageError where several do, SpecError where the nearest spec is a link to another project's.
    """
    meant = environment or DEFAULT
    all_of_them = running()
    if named:
        found = [one for one in all_of_them if one.name == named or one.id.startswith(named)]
        what = f"under the name or ID {named!r}"
    else:
        path = spec or _nearest()
        real = os.path.realpath(path) if path else ""
        of_project = [one for one in all_of_them if one.project == real or not real]
        found = [one for one in of_project if one.environment_name == meant or not real]
        what = f"for {real}" if real else "here"
        if not found and of_project:
            others = sorted({one.environment_name for one in of_project})
            raise NotFoundError(
                f"nothing runs {what} in its environment {meant}, but in {', '.join(others)}",
                hint=f"`envforge exec -E {others[0]} -- COMMAND…`",
            )
    if not found:
        hint = _LIST if all_of_them else "`envforge shell` or `envforge run` starts something"
        raise NotFoundError(f"nothing runs {what}", hint=hint)
    if len(found) > 1:
        listed = ", ".join(f"{one.id} ({one.name}: {' '.join(one.command)})" for one in found)
        raise UsageError(
            f"{len(found)} run {what}: {listed}", hint=f"`envforge exec {found[-1].id} -- COMMAND…`"
        )
    return found[0]


def _nearest() -> str | None:
    found = trust.find(os.getcwd())
    if found is not None:
        check_is_here(found)
    return found


def enter(
    one: Running,
    command: Sequence[str],
    *,
    user: str | None = None,
    workdir: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> int:
    """Run a further command in a running sandbox; return its exit code.

    Without `user` it runs as the sandbox's first command does. Raises NotFoundError for an unknown user,
    SandboxError where the sandbox has ended, CapabilityError where its id maps lack that user.
    """
    plan = one.plan if user is None else _as_user(one, user)
    environment = payload_environment(plan, os.environ) | dict(variables or {})
    payload = join.Payload(list(command), environment, workdir or start_directory(plan))
    try:
        return join.enter(one, plan, payload)
    except join.RefusedError as error:
        raise launch.explain(error) from error


def _as_user(one: Running, user: str) -> Plan:
    """Return the sandbox's plan with another user of its environment; nothing else is granted."""
    project = open_project(one.project, one.store, environment=one.environment_name)
    plan = make_plan(project, one.environment, identities.detect(), RunOptions(user=user))
    network: Any = one.plan["network"]  # it decides on some capabilities
    other = compile_plan(downgrade(evolve(plan, network=network, outbound=one.plan["outbound"])))
    if (other["uid_map"], other["gid_map"]) != (one.plan["uid_map"], one.plan["gid_map"]) or (
        other["nested"] is not None and one.plan["nested"] is None
    ):
        raise CapabilityError(
            f"what runs there has no ids for the user {user}", hint=f"envforge run -u {user} -- COMMAND…"
        )
    variables = (*one.plan["variables"], *(pair for pair in other["variables"] if pair[0] in _OF_USER))
    return {
        **one.plan,
        "nested": other["nested"],
        "credentials": other["credentials"],
        "payload_owner": other["payload_owner"],
        "bounding": other["bounding"],
        "capabilities": other["capabilities"],
        "variables": variables,
    }
