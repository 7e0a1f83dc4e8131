"""`run -d` and `exec NAME` on the warm path; None where the whole command line must do it, or say why not."""

import os

from envforge.containers import plans, records, truth
from envforge.errors import EnvforgeError
from envforge.sandbox import inherited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from envforge.containers.network.published import Published
    from envforge.containers.starting.ahead import Ahead
    from envforge.sandbox.compiled import Plan
    from envforge.warm_line import Request

_BROKEN_PIPE = 141


def run(
    plan: "Plan",
    request: "Request",
    variables: "dict[str, str]",
    ports: "Iterable[Published]",
    asked: "dict[str, Any]",
) -> "int | None":
    """Start a container of a cached plan and print its id; return the exit code."""
    from envforge.containers.starting.ahead import Ahead  # noqa: PLC0415  # `exec` starts none

    try:
        with Ahead(plan["store"]) as ahead:
            container = _started(plan, request, variables, ports, asked, ahead)
    except _failures() as error:
        return _code_of(error)
    return _say(f"{container.id}\n")


def _started(  # noqa: PLR0917  # as `run` has them
    plan: "Plan",
    request: "Request",
    variables: "dict[str, str]",
    ports: "Iterable[Published]",
    asked: "dict[str, Any]",
    ahead: "Ahead",
) -> records.Container:
    from envforge.containers import lifecycle  # noqa: PLC0415  # while the supervisor loads its own

    plan = for_container(plan)
    environment = inherited.payload_environment(plan, os.environ) | variables
    place = request.workdir or inherited.start_directory(plan)
    config = lifecycle.config_of(plan, request.command, environment, place, ports)
    config.update(asked, user=request.user or "")
    return lifecycle.run(plan["store"], plan, config, request.name, ahead=ahead)


def _failures() -> "tuple[type[Exception], ...]":
    """Return what `lifecycle.run` raises: looked up only where it has raised something."""
    from envforge.containers.lifecycle import CommandError  # noqa: PLC0415  # likewise
    from envforge.sandbox.perform import RefusedError, StaleError  # noqa: PLC0415  # likewise

    return CommandError, EnvforgeError, StaleError, RefusedError, OSError


def _code_of(error: Exception) -> "int | None":
    """Return the exit code of a command that cannot be executed; None where more is to be said."""
    from envforge.containers.lifecycle import CommandError  # noqa: PLC0415  # only after a failure

    if not isinstance(error, CommandError):
        return None
    os.write(2, f"envforge: {error.said}\n".encode(errors="surrogateescape"))
    return error.code


def for_container(plan: "Plan") -> "Plan":
    """Return the plan with what its caller sees now; sockets are let in anew at each start."""
    return {**inherited.with_sockets({**plan, "forward": ()}, os.environ), "forward": plan["forward"]}


def _say(text: str) -> int:
    try:
        os.write(1, text.encode())
    except BrokenPipeError:
        return _BROKEN_PIPE
    return 0


def enter(
    store: str, named: str, command: "list[str]", variables: "dict[str, str]", workdir: "str | None"
) -> "int | None":
    """Run a further command in a container that runs; return its exit code."""
    try:
        container = _meant(store, named)
        if container.status not in {"running", "stopping"} or not truth.is_true(container, records.boot_id()):
            return None
        plan: Plan = {**plans.read(container), "around": tuple(container.state["around"]) or None}
    except (EnvforgeError, OSError, ValueError):
        return None
    from envforge.containers import joined  # noqa: PLC0415  # only for `exec`
    from envforge.sandbox.life import join  # noqa: PLC0415  # likewise

    environment = environment_of(container) | variables
    payload = join.Payload(command, environment, workdir or container.config["workdir"])
    try:
        return join.enter(joined.target_of(container, plan), plan, payload)
    except join.RefusedError:
        return None


def _meant(store: str, called: str) -> records.Container:
    identifier = records.exact(store, called)
    if identifier:
        return records.read(store, identifier)
    from envforge.containers import named  # noqa: PLC0415  # only for services, and beginnings of ids

    return named.find(store, called)


def environment_of(container: records.Container) -> "dict[str, str]":
    """Return the variables of a further command: the container's, and the caller's terminal."""
    found = dict(container.config["variables"])
    if "TERM" in os.environ:
        found["TERM"] = os.environ["TERM"]
    return found
