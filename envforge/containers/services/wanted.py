"""What a service of a spec wants its container to be. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from envforge.containers.network.published import all_of
from envforge.containers.services.plan import Condition, Dependency, Wanted
from envforge.containers.signals import number_of
from envforge.environment.projects.project import Project
from envforge.errors import SpecError
from envforge.spec.service.model import Health, Service
from envforge.spec.service_contradictions import dependency_of, is_checked
from envforge.units import precise_seconds_of

COMPARED: Final = (
    "command",
    "environment",
    "health",
    "limits",
    "mounts",
    "network",
    "restart",
    "secrets",
    "stop",
    "user",
    "variables",
    "volumes",
    "workdir",
)
"""Fields of a container's record that decide whether it is still what the spec wants."""


def container_name(project: str, service: str, instance: str = "") -> str:
    """Return the name of a service's container: `shop-web`, or `shop-test-web` of the instance `test`."""
    return "-".join(filter(None, (project, instance, service)))


def with_command(
    project: Project,
    service: str,
    command: Sequence[str],
    *,
    variables: Mapping[str, str],
    workdir: str | None,
    user: str | None,
    ports: Sequence[str] = (),
    with_ports: bool = False,
) -> Project:
    """Return the project with a service that runs a single command: no checks, no restarts.

    Of ports it publishes `ports`, and the service's with `with_ports`.
    """

    def changed(known: Mapping[str, Service]) -> dict[str, Service]:
        one = known[service]
        own = evolve(
            one,
            command=tuple(command) or one.command,
            variables={**one.variables, **variables},
            workdir=workdir or one.workdir,
            user=user or one.user,
            publish=(*(one.publish if with_ports else ()), *ports),
            health=Health(),
            restart="no",
        )
        return {**known, service: own}

    specs = {
        name: evolve(spec, services=changed(spec.services)) if service in spec.services else spec
        for name, spec in project.specs.items()
    }
    return evolve(project, specs=specs)


def dependencies(services: Mapping[str, Service], name: str) -> tuple[Dependency, ...]:
    """Return what a service waits for; without a condition that is health, where there is a check."""
    return tuple(_dependency(services, text) for text in services[name].depends_on)


def _dependency(services: Mapping[str, Service], text: str) -> Dependency:
    name, written = dependency_of(text)
    usual: Condition = "healthy" if is_checked(services[name]) else "started"
    return Dependency(name, written or usual)  # type: ignore[arg-type]  # the grammar knows the three


def wanted(services: Mapping[str, Service], name: str, config: Mapping[str, Any]) -> Wanted:
    """Return a service as its new container would be."""
    return Wanted(name, compared(config), dependencies(services, name))


def compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a container's record that are compared.

    Of limits those that the spec has: `update` may have given the container others since, which stay until
    the spec's change.
    """
    found = {name: config[name] for name in COMPARED if name in config}
    return {**found, "limits": config["limits"].get("written", {})}


def fields(service: Service, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of the container's record that follow from the spec alone."""
    policy, _, retries = service.restart.partition(":")
    return {
        "user": service.user,
        "network": {
            "mode": service.network,
            "published": [_published(one) for one in all_of(service.publish)],
        },
        "restart": {"policy": policy, "retries": int(retries or 0)},
        "health": health(service.health) if is_checked(service) else None,
        "stop": {
            "signal": _signal(service.stop_signal),
            "seconds": precise_seconds_of(service.stop_timeout),
        },
        "mounts": [
            {"source": one.source, "target": one.target, "read_only": one.read_only} for one in service.mounts
        ],
        "secrets": [{"name": one, "source": secrets[one]} for one in service.secrets],
    }


def _signal(text: str) -> int:
    try:
        return number_of(text)
    except ValueError as error:
        raise SpecError(f"stop-signal: {error}", hint="write TERM, INT or another of signal(7)") from error


def _published(one: tuple[str, int, int, str]) -> dict[str, Any]:
    address, host, container, protocol = one
    return {"address": address, "host": host, "container": container, "protocol": protocol}


def health(checked: Health) -> dict[str, Any]:
    """Return a health check as a container's record has it; times in seconds."""
    return {
        "command": list(checked.command),
        "http": checked.http,
        "tcp": checked.tcp,
        "interval": precise_seconds_of(checked.interval),
        "start_interval": precise_seconds_of(checked.start_interval),
        "start_period": precise_seconds_of(checked.start_period),
        "timeout": precise_seconds_of(checked.timeout),
        "retries": checked.retries,
    }
