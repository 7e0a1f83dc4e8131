"""Launches a sandbox for all but the warm path: the kernel's refusals become errors with advice.

The warm path calls `perform` itself and comes here only when something was refused.
"""

import os
from collections.abc import Callable, Mapping, Sequence

from envforge.errors import EnvforgeError, LimitError
from envforge.kernel import advice
from envforge.sandbox import cgroup, perform
from envforge.sandbox.inherited import payload_environment, start_directory, with_sockets
from envforge.sandbox.limits.manager import ManagerError
from envforge.sandbox.plan.compile import Compiled, compile_plan
from envforge.sandbox.plan.model import SandboxPlan


def enter(
    plan: SandboxPlan | Compiled,
    command: Sequence[str],
    host_environment: Mapping[str, str],
    *,
    cwd: str | None = None,
    extra: Mapping[str, str] | None = None,
    entering: Callable[[Compiled, list[str], dict[str, str], str], int] = perform.enter,
) -> int:
    """Run `command` (the plan's own if empty) in a fresh sandbox; returns its exit code like Docker.

    `extra` are variables over those of the plan. Without `cwd` it starts in the caller's directory, if that
    is mounted. `entering` does what `perform.enter` does, and more. Raises CapabilityError or SandboxError if
    the sandbox cannot be made, and `perform.StaleError` if a layer of the plan is gone.
    """
    compiled, payload = _ready(plan, command, host_environment, cwd, extra)
    try:
        return entering(compiled, payload.command, payload.environment, payload.cwd)
    except perform.RefusedError as error:
        raise explain(error) from error


def start(
    plan: SandboxPlan | Compiled,
    command: Sequence[str],
    host_environment: Mapping[str, str],
    *,
    streams: tuple[int, int, int],
    cwd: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> perform.Started:
    """Start `command` likewise, with these descriptors as its standard streams, from any thread.

    Raises the same, and nothing is left then. The sandbox ends with the calling thread.
    """
    compiled, payload = _ready(plan, command, host_environment, cwd, extra)
    try:
        return perform.start(compiled, payload, streams)
    except perform.RefusedError as error:
        raise explain(error) from error


def _ready(
    plan: SandboxPlan | Compiled,
    command: Sequence[str],
    host: Mapping[str, str],
    cwd: str | None,
    extra: Mapping[str, str] | None,
) -> tuple[Compiled, perform.Payload]:
    compiled = with_sockets(compile_plan(plan) if isinstance(plan, SandboxPlan) else plan, host)
    environment = payload_environment(compiled, host) | dict(extra or {})
    words = list(command) or list(compiled["command"])
    return compiled, perform.Payload(words, environment, cwd or start_directory(compiled))


def explain(refusal: perform.RefusedError) -> EnvforgeError:
    """Return the error that tells a user why, and what helps."""
    if refusal.step == "a user namespace":
        return advice.no_user_namespace(refusal.error)
    if refusal.step.endswith(("newuidmap", "newgidmap")):
        return advice.no_id_map(refusal.step, "")
    if refusal.step == cgroup.STEP:
        return _no_limit(refusal.error)
    return advice.no_mount(refusal.error, refusal.step)


def _no_limit(error: OSError) -> LimitError:
    if isinstance(error, ManagerError):
        return LimitError(
            f"systemd's user manager gives no cgroup: {error.strerror}",
            hint="`systemctl --user status` says how it is; or write `required = false` in [limits]",
        )
    what = os.path.basename(error.filename or "")
    return LimitError(
        f"the kernel refuses a limit: {what}: {error.strerror}",
        hint="change it in [limits], or write `required = false` there; `envforge doctor` says what there is",
    )
