"""Makes a service of a spec ready to be brought up: its plan, its volumes, the record of its container."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

from envforge.containers import lifecycle, plans, records
from envforge.containers.records import Container
from envforge.containers.services import plan as planning
from envforge.containers.services import wanted as wanting
from envforge.containers.services.up import Ready
from envforge.containers.volumes import named as volumes
from envforge.environment.entering.plan import RunOptions
from envforge.environment.entering.service_plan import make_service_plan
from envforge.environment.projects.project import Project
from envforge.sandbox import inherited
from envforge.sandbox.compiled import Plan
from envforge.sandbox.ids.identity import Identity
from envforge.sandbox.plan.compile import compile_plan
from envforge.sandbox.plan.downgrade import downgrade
from envforge.sandbox.plan.model import Mount
from envforge.spec.keys import written
from envforge.spec.limits import Limits
from envforge.spec.service_contradictions import volume_of


@frozen
class Given:
    """What a service is made ready with."""

    environment: str
    """The digest of its environment, which is built."""
    identity: Identity
    instance: str
    options: RunOptions
    """Volumes and limits of a command line, which go before the service's own."""
    start: Callable[[Container], None]


def ready(project: Project, name: str, given: Given) -> Ready:
    """Return a service; volumes that are not there yet are made."""
    spec = project.spec
    service = spec.services[name]
    plan = _plan(project, name, given, ())
    mounts, named = [], []
    for volume, target, read_only in _named(spec.name, service.volumes, given):
        found = volumes.ensure(project.store_path, volume, project.spec_path, plan, given.identity)
        mounts.append(Mount(found.path, target, read_only, own=True))
        named.append({"volume": volume, "target": target, "read_only": read_only})
    if mounts:
        plan = _plan(project, name, given, mounts)
    passed = {one: value for one, value in os.environ.items() if inherited.is_asked_for(one, plan["passed"])}
    config = lifecycle.config_of(
        plan, list(service.command), inherited.payload_environment(plan, passed), plan["cwd"]
    )
    config |= wanting.fields(service, spec.secrets)
    config |= {"service": name, "instance": given.instance, "volumes": named}
    config["limits"]["written"] = written(spec.limits if service.limits == Limits() else service.limits)
    called = wanting.container_name(spec.name, name, given.instance)
    return Ready(
        wanting.wanted(spec.services, name, config),
        called,
        make=lambda: lifecycle.create(project.store_path, plan, config, called),
        start=given.start,
        update=lambda container: _update(container, plan, config),
        plan=plan,
        config=config,
    )


def _named(project: str, own: Iterable[str], given: Given) -> Iterator[tuple[str, str, bool]]:
    """Yield the named volumes of a service: whole name, target, read-only."""
    options = given.options
    taken = {target for _, target, _ in (*options.named, *options.volumes)}
    for volume, target, read_only in map(volume_of, own):
        if target not in taken:
            yield volumes.volume_name(project, volume, given.instance), target, read_only
    yield from options.named


def _plan(project: Project, name: str, given: Given, mounts: Iterable[Mount]) -> Plan:
    plan = make_service_plan(project, name, given.environment, given.identity, mounts, options=given.options)
    return compile_plan(downgrade(plan))


def _update(container: Container, plan: Plan, config: Mapping[str, Any]) -> None:
    """Write what a container takes over without being made anew: its layers are the same."""
    plans.keep(container.directory, container.id, plan)
    changed = {name: config[name] for name in planning.RESTARTED if name in config}
    records.write_config(container.directory, {**container.config, **changed})
