"""Makes the sandbox plan of a service: its environment's, with what the service wants over it."""

from collections.abc import Iterable
from typing import Final

from attrs import evolve

from envforge.environment.entering.plan import RunOptions, make_plan
from envforge.environment.projects.project import Project
from envforge.sandbox.ids.identity import Identity
from envforge.sandbox.plan.model import Mount, SandboxPlan
from envforge.spec.limits import Limits

_NO_OPTIONS: Final = RunOptions()


def of_environment(project: Project, service: str) -> Project:
    """Return the project with the service's environment chosen."""
    return evolve(project, environment=project.spec.services[service].environment or project.environment)


def make_service_plan(
    project: Project,
    service: str,
    environment: str,
    identity: Identity,
    volumes: Iterable[Mount] = (),
    *,
    options: RunOptions = _NO_OPTIONS,
) -> SandboxPlan:
    """Return the plan of a service in a built environment; `project` is that of the service's environment.

    Paths and limits of `options` are added, and go before the service's own. Raises what `make_plan` raises.
    """
    spec = project.spec
    wanted = spec.services[service]
    own = evolve(
        spec,
        mounts=(*spec.mounts, *wanted.mounts),
        variables={**spec.variables, **wanted.variables},
        network=evolve(spec.network, mode=wanted.network),
        limits=spec.limits if wanted.limits == Limits() else wanted.limits,
        shell=evolve(spec.shell, command=wanted.command, user=wanted.user or spec.shell.user),
    )
    specs = {**project.specs, project.environment: own}
    plan = make_plan(evolve(project, specs=specs), environment, identity, options)
    added = plan.mounts[len(plan.mounts) - len(options.volumes) :]
    return evolve(
        plan,
        hostname=service,
        cwd=wanted.workdir or project.directory,
        follow=False,
        mounts=(*(one for one in plan.mounts if one not in added), *volumes, *added),
    )
