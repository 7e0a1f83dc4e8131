"""Containers: starting, listing, stopping and removing them. Their output is in `containers_logs`."""

import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from envforge.containers import lifecycle, plans, records, truth
from envforge.containers import named as naming
from envforge.containers import names as container_names
from envforge.containers.lifecycle import CommandError
from envforge.containers.records import LIVE, Container
from envforge.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envforge.containers.network.published import Published
    from envforge.containers.resources.running import Target  # noqa: TC004 (a name for others' hints)
    from envforge.sandbox.limits.model import Usage  # noqa: TC004 (likewise)
    from envforge.sandbox.plan.compile import Compiled

__all__ = [
    "LIVE",
    "CommandError",
    "Container",
    "Target",
    "Usage",
    "all_of",
    "changes",
    "check_free",
    "enter",
    "explained",
    "find",
    "kill",
    "names",
    "open_address",
    "pause",
    "plan_of",
    "remove",
    "rename",
    "run",
    "services",
    "start",
    "stop",
    "targets",
    "update",
    "usage",
    "wait",
]


def all_of(store: str) -> list[Container]:
    """Return all containers of a store, the newest first."""
    return truth.all_checked(os.path.realpath(store))


def names(store: str) -> list[tuple[str, str]]:
    """Return name and status of each container, as records say: for completion."""
    return [(one.name, one.status) for one in records.read_all(os.path.realpath(store))]


def find(store: str, named: str, *, spec: str | None = None, instance: str = "") -> Container:
    """Return the container of that name, id, service of the project here, or beginning of an id.

    `spec` names another project than the one here, `instance` one of several. Raises NotFoundError,
    AmbiguousError.
    """
    return truth.checked(naming.find(os.path.realpath(store), named, spec, instance))


def services(store: str, *, spec: str | None = None) -> list[tuple[str, str]]:
    """Return service and status of the containers of the project here, as records say: for completion."""
    place = naming.spec_here(spec)
    found = naming.of_project(os.path.realpath(store), place) if place else []
    return [(one.config["service"], one.status) for one in found]


def check_free(store: str, name: str) -> None:
    """Raise UsageError for what is no name of a container, ConflictError for one that is taken."""
    container_names.check_free(os.path.realpath(store), name)


def run(
    compiled: "Compiled",
    command: Sequence[str],
    *,
    name: str | None = None,
    workdir: str | None = None,
    variables: Mapping[str, str] | None = None,
    published: "Sequence[Published]" = (),
    **asked: Any,
) -> Container:
    """Start a command in a container of its own, which lives on; return once the command runs.

    `asked` are fields of its record: restart, stop, remove, labels, … Raises CommandError where there is no
    such command, ConflictError where the name is taken; nothing is left then.
    """
    from envforge.containers import warm  # noqa: PLC0415 (only to start one)
    from envforge.sandbox import inherited  # noqa: PLC0415 (likewise)

    plan = warm.for_container(compiled)
    environment = inherited.payload_environment(plan, os.environ) | dict(variables or {})
    place = workdir or inherited.start_directory(plan)
    config = lifecycle.config_of(plan, list(command), environment, place, published)
    config.update(asked)
    with explained():
        return lifecycle.run(plan["store"], plan, config, name)


def start(container: Container) -> bool:
    """Start a container that does not run; return False if it runs already. Raises CommandError."""
    with explained():
        return lifecycle.start(container)


stop = lifecycle.stop
kill = lifecycle.kill
wait = lifecycle.wait
remove = lifecycle.remove
rename = container_names.rename


def changes(container: Container) -> list[tuple[str, str]]:
    """Return what it has changed of its environment's files: `A`, `C` or `D`, and a path."""
    from envforge.containers.files import changes as found  # noqa: PLC0415 (only to look at files)
    from envforge.sandbox.ids import identity  # noqa: PLC0415 (likewise)

    return found.changes(container, plan_of(container), identity.detect())


def plan_of(container: Container) -> "Compiled":
    """Return the sandbox plan that each start performs. Raises StoreError where it cannot be believed."""
    return plans.known(container)


@contextmanager
def explained() -> "Iterator[None]":
    """Turn what entering raises into errors that tell what helps."""
    from envforge.containers.network.listening import RefusedPortError  # noqa: PLC0415 (only to start one)
    from envforge.sandbox import perform  # noqa: PLC0415 (likewise)

    try:
        yield
    except perform.RefusedError as error:
        from envforge.sandbox.life import launch  # noqa: PLC0415 (likewise)

        raise launch.explain(error) from error
    except RefusedPortError as error:
        from envforge.containers.network import holders  # noqa: PLC0415 (likewise)

        raise holders.explained(error) from error
    except perform.StaleError as error:
        raise NotFoundError(
            f"what the container runs in is not in the store any more: {error}", hint="envforge fsck"
        ) from error


def enter(container: Container, command: Sequence[str]) -> int:
    """Run a further command in a container that runs, on this terminal; return its exit code.

    Raises ConflictError where it cannot be entered: it has ended, say, or is paused.
    """
    from envforge.containers import warm  # noqa: PLC0415 (only to enter one)

    code = warm.enter(container.store, container.id, list(command), {}, None)
    if code is None:
        now = find(container.store, container.id).status
        raise ConflictError(
            f"the container {container.name} cannot be entered: it is {now}",
            hint=f"envforge {'unpause' if now == 'paused' else 'start'} {container.name}",
        )
    return code


def usage(container: Container) -> "Usage":
    """Return what a container that runs uses."""
    from envforge.containers.resources import running  # noqa: PLC0415 (only for what runs)

    return running.of_container(container).usage()


def open_address(address: str) -> bool:
    """Show the address of a published port in the desktop's browser; return False where there is none."""
    from envforge import process  # noqa: PLC0415 (only for a desktop)

    program = process.find_program("xdg-open")
    return program is not None and process.begin([program, address])


def targets(
    store: str, names: Sequence[str] = (), *, spec: str | None = None, instance: str = ""
) -> "list[Target]":
    """Return what runs under those names, as `find` reads them, or all that runs.

    Raises NotFoundError, AmbiguousError, ConflictError.
    """
    from envforge.containers.resources import running  # noqa: PLC0415 (only for what runs)

    place = os.path.realpath(store)
    if not names:
        return running.targets(place)
    return [running.find(place, name, spec, instance) for name in names]


def pause(target: "Target", *, paused: bool) -> None:
    """Stop all its processes where they are, or let them go on. Raises LimitError where it has no cgroup."""
    from envforge.containers.resources import running  # noqa: PLC0415 (only for what runs)

    (running.pause if paused else running.unpause)(target)


def update(target: "Target", options: Sequence[tuple[str, str]]) -> None:
    """Change limits of what runs, by `run`'s options. Raises UsageError for nonsense, LimitError."""
    from envforge.containers.resources import running  # noqa: PLC0415 (only for what runs)
    from envforge.environment.entering.limits import with_options  # noqa: PLC0415 (likewise)
    from envforge.sandbox.limits.model import Limits  # noqa: PLC0415 (likewise)

    running.update(target, with_options(Limits(), options), options)
