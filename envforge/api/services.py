"""`up` and `down`: the services of a project, each in a container of its own."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import frozen

from envforge.api import containers as api_containers
from envforge.api.building import build
from envforge.containers import lifecycle
from envforge.containers.lifecycle import CommandError
from envforge.containers.records import Container
from envforge.containers.services import plan as planning
from envforge.containers.services import up as bringing
from envforge.containers.services import wanted as wanting
from envforge.containers.services.making import Given
from envforge.containers.services.making import ready as make_ready
from envforge.containers.services.plan import Existing, Step
from envforge.containers.services.up import Happened, Ready, What
from envforge.containers.volumes import named as volumes
from envforge.environment.entering.plan import RunOptions
from envforge.environment.entering.service_plan import of_environment
from envforge.environment.projects import consent
from envforge.environment.projects.project import Project
from envforge.errors import NotFoundError, SpecError, UnhealthyError, UsageError
from envforge.progress import Listener, ignore
from envforge.sandbox.ids import identity as identities
from envforge.spec.grammar import nearest
from envforge.spec.service_contradictions import is_checked, volume_of
from envforge.store import locks
from envforge.store.layout import open_store

if TYPE_CHECKING:
    from envforge.sandbox.compiled import Plan

__all__ = [
    "Happened",
    "Prepared",
    "Step",
    "bring_up",
    "containers",
    "dependencies",
    "missing",
    "prepare",
    "run_once",
    "take_down",
]


_NO_OPTIONS: Final = RunOptions()
_NONE: Final[Mapping[str, RunOptions]] = {}


@frozen
class Prepared:
    """Services with built environments, and what bringing them up would do."""

    project: Project
    instance: str
    services: Mapping[str, Ready]
    steps: tuple[Step, ...]


def prepare(
    project: Project,
    chosen: Collection[str] = (),
    *,
    instance: str = "",
    anew: bool = False,
    locked: bool = False,
    options: Mapping[str, RunOptions] = _NONE,
    listener: Listener = ignore,
) -> Prepared:
    """Build the environments of the project's services, and decide what happens with each.

    `chosen` names some of them; what they wait for comes along. `anew` makes all containers again. `options`
    are volumes and limits that a command line adds to some. Raises SpecError where the spec has no services,
    NotFoundError for an unknown one, ConsentError, and what building raises.
    """
    services = project.spec.services
    _check(project, chosen)
    consent.require(project)
    needed = _needed(project, chosen)
    identity = identities.detect()
    ready = {}
    with locks.in_use(open_store(project.store_path)):
        built: dict[str, str] = {}
        for name in needed:
            own = of_environment(project, name)
            if own.environment not in built:
                built[own.environment] = build(own, locked=locked, listener=listener).environment
            given = Given(built[own.environment], identity, instance, options.get(name, _NO_OPTIONS), _start)
            ready[name] = make_ready(own, name, given)
    wanted = {name: one.wanted for name, one in ready.items()}
    there = [
        Existing(one.id, one.config["service"], one.status, wanting.compared(one.config))
        for one in containers(project, instance)
    ]
    whole = {name: wanted.get(name) or planning.Wanted(name, {}) for name in services}
    steps = planning.steps(whole, there, chosen, anew=anew)
    return Prepared(project, instance, ready, steps)


def _check(project: Project, chosen: Iterable[str]) -> None:
    services = project.spec.services
    if not services:
        raise SpecError(f"{project.spec_path} has no services", hint="write [services.NAME] with a command")
    for name in chosen:
        if name not in services:
            meant = nearest(name, services)
            guess = f"did you mean {meant}?" if meant else f"it has {', '.join(services)}"
            raise NotFoundError(f"{project.spec_path} has no service {name!r}; {guess}", hint="envforge up")


def _needed(project: Project, chosen: Collection[str]) -> tuple[str, ...]:
    services = project.spec.services
    bare = {name: planning.Wanted(name, {}, wanting.dependencies(services, name)) for name in services}
    return planning.ordered(bare, chosen)


def _start(container: Container) -> None:
    """Start a service's container; one whose command is not there is not left behind."""
    try:
        api_containers.start(container)
    except CommandError as error:
        lifecycle.remove(container, force=True)
        service = container.config["service"]
        raise UnhealthyError(
            f"the service {service} cannot be started: {error.said}",
            hint=f"correct services.{service}.command, or add the package that has it",
        ) from error


def bring_up(prepared: Prepared, report: Callable[[Happened], None], *, wait: bool = False) -> dict[str, str]:
    """Do what was prepared; return the ID of each service's container.

    Every service starts as soon as what it waits for is ready. With `wait` it returns once all are healthy,
    or run where they have no check. Raises UnhealthyError for a service that others wait for in vain.
    """
    up = bringing.Up(prepared.project.store_path, prepared.services, report)
    found = up.run(prepared.steps)
    if wait:
        services = prepared.project.spec.services
        up.await_all(found, [name for name in found if is_checked(services[name])])
    return found


def missing(prepared: Prepared) -> list[str]:
    """Return what the services that run lack here, each once: a way out of their network."""
    there = containers(prepared.project, prepared.instance)
    return sorted({why for one in there if one.is_live for why in one.state["way"][1:] if why})


def dependencies(project: Project) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return what each service of the project waits for: their names, each with the condition."""
    services = project.spec.services
    return {
        name: tuple((one.name, one.condition) for one in wanting.dependencies(services, name))
        for name in services
    }


def containers(project: Project, instance: str = "") -> list[Container]:
    """Return the containers of the project's services, of one of its instances."""
    return bringing.existing(project.store_path, project.spec_path, instance)


def take_down(
    project: Project,
    report: Callable[[str, What], None],
    *,
    instance: str = "",
    only: Collection[str] = (),
    remove: bool = True,
    with_volumes: bool = False,
) -> None:
    """Stop the project's services, dependents first, and remove their containers unless told otherwise.

    `only` names some of them; a service that is gone from the spec may be one. `with_volumes` removes their
    named volumes too, but for those that other services name. Raises NotFoundError for an unknown service.
    """
    services = project.spec.services
    bare = {name: planning.Wanted(name, {}, wanting.dependencies(services, name)) for name in services}
    there = [Existing(one.id, one.config["service"], one.status, {}) for one in containers(project, instance)]
    if unknown := [name for name in only if name not in {one.name for one in there}]:
        _check(project, unknown)
    chosen = [one for one in there if not only or one.name in only]
    bringing.take_down(project.store_path, planning.stopping(bare, chosen), report, remove=remove)
    if with_volumes:
        for volume in list(volumes.read_all(project.store_path)):
            if volume.project == project.spec_path and volume.name in _volumes(project, instance, only):
                volumes.remove(project.store_path, volume.name)


def _volumes(project: Project, instance: str, only: Collection[str]) -> set[str]:
    """Return the names of the services' volumes: of `only` those that no other service names."""
    chosen: set[str] = set()
    kept: set[str] = set()
    for service, wanted in project.spec.services.items():
        of_service = {
            volumes.volume_name(project.spec.name, volume_of(text)[0], instance) for text in wanted.volumes
        }
        (chosen if not only or service in only else kept).update(of_service)
    return chosen - kept


def run_once(
    project: Project,
    service: str,
    command: Sequence[str],
    *,
    variables: Mapping[str, str] | None = None,
    workdir: str | None = None,
    user: str | None = None,
    instance: str = "",
    name: str | None = None,
    with_dependencies: bool = True,
    locked: bool = False,
    ports: Sequence[str] = (),
    with_ports: bool = False,
    options: RunOptions = _NO_OPTIONS,
    report: Callable[[Happened], None] = lambda _: None,
    listener: Listener = ignore,
    **asked: Any,
) -> Container:
    """Start a command, by default the service's, in a container of its own; return once it runs.

    It has the service's environment, variables, mounts, volumes, secrets, user and limits, and sees the
    project's other services; it has not the service's name, and of ports it publishes `ports`, and the
    service's with `with_ports`. `options` add volumes and limits. What the service depends on is brought up
    first. `asked` are fields of its record. Raises what `bring_up` and `containers.run` do, UsageError for
    ports of a network that has none.
    """
    altered = wanting.with_command(
        project,
        service,
        command,
        variables=variables or {},
        workdir=workdir,
        user=user,
        ports=ports,
        with_ports=with_ports,
    )
    if ports and (mode := project.spec.services[service].network) != "private":
        raise UsageError(
            f'the service {service} has network = "{mode}": no port of it can be published',
            hint=f'write network = "private" in [services.{service}], or leave -p away',
        )
    prepared = prepare(
        altered, [service], instance=instance, locked=locked, options={service: options}, listener=listener
    )
    ready = prepared.services[service]
    if with_dependencies:
        up = bringing.Up(project.store_path, prepared.services, report)
        up.run(one for one in prepared.steps if one.service != service)
        up.await_dependencies(ready.wanted)
    called = name or f"{ready.name}-run-{os.urandom(2).hex()}"
    plan = cast("Plan", {**ready.plan, "hostname": called})
    config = {**ready.config, "service": "", "means": service, **asked}
    container = lifecycle.create(project.store_path, plan, config, called)
    try:
        api_containers.start(container)
    except BaseException:
        lifecycle.remove(container, force=True)
        raise
    return container
