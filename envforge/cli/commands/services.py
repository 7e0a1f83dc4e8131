"""`up` and `down`: the services of a project."""

import sys
from typing import TYPE_CHECKING, Final

import click

from envforge.cli import completions
from envforge.cli.command import Command, allow_option, cache_option, instance_option, json_option
from envforge.cli.commands.containers.log_lines import Prefixes, show_lines
from envforge.cli.output import paint, print_json, print_table
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import UsageError
from envforge.units import duration_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from envforge.api.containers import Container
    from envforge.api.services import Happened, Prepared, Step

_WORDS: Final = {
    "waiting": "waits for what it depends on",
    "creating": "is being created",
    "starting": "starts",
    "started": "started",
    "kept": "runs already",
    "healthy": "is healthy",
    "completed": "has completed",
    "stopping": "stops",
    "removed": "removed",
}
_QUIET: Final = frozenset({"creating", "starting"})


@click.command(
    cls=Command,
    examples="""
        envforge up                     all services, with their output; ctrl+c stops them
        envforge up -d --wait           in the background, once they are healthy
        envforge up --plan              what would be done, and why
        envforge up -d web              web, and what it waits for
        envforge up -d --instance test  another set of them, with volumes of its own
    """,
)
@click.option("-d", "--detach", is_flag=True, help="Leave them running in the background.")
@click.option("--wait", is_flag=True, help="Return once all are healthy; implies -d.")
@click.option("--plan", "only_plan", is_flag=True, help="Say what would be done with each, and do nothing.")
@click.option("--force-recreate", "anew", is_flag=True, help="Make every container anew.")
@click.option("--locked", is_flag=True, help="Fail where the lock is missing or stale.")
@instance_option
@click.argument("services", nargs=-1, shell_complete=completions.services, metavar="[SERVICE…]")
@json_option
@cache_option
@allow_option
@pass_settings
def up(  # noqa: PLR0917 (click passes them by name)
    settings: Settings,
    detach: bool,  # noqa: FBT001 (click passes options)
    wait: bool,  # noqa: FBT001
    only_plan: bool,  # noqa: FBT001
    anew: bool,  # noqa: FBT001
    locked: bool,  # noqa: FBT001
    services: tuple[str, ...],
) -> int:
    """Start the services of the spec, each once what it depends on is ready.

    A container whose service has not changed is kept. One that was changed is made anew; a changed health
    check, limit or restart policy only restarts it.
    """
    from envforge.api import services as api  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    with settings.progress() as listener:
        prepared = api.prepare(
            project, services, instance=settings.instance, anew=anew, locked=locked, listener=listener
        )
    if only_plan:
        _show_plan(settings, prepared.steps)
        return 0
    try:
        found = api.bring_up(prepared, teller(settings, prepared.services), wait=wait)
    except KeyboardInterrupt:
        if not (detach or wait):
            api.take_down(
                project, _stopping(settings), instance=settings.instance, only=services, remove=False
            )
        raise
    if settings.json:
        print_json({"services": found})
    if not settings.quiet:
        for missing in api.missing(prepared):
            click.echo(f"note: {missing}", err=True)
    if detach or wait:
        return 0
    return _attend(settings, prepared, services)


def _show_plan(settings: Settings, steps: "Iterable[Step]") -> None:
    if settings.json:
        print_json(
            [{"service": one.service, "action": one.action, "changed": list(one.changed)} for one in steps]
        )
        return
    print_table(
        ("SERVICE", "ACTION", "CHANGED"),
        [(one.service, one.action, ", ".join(one.changed) or "-") for one in steps],
    )


def teller(settings: Settings, services: "Iterable[str]") -> "Callable[[Happened], None]":
    """Return what tells of services as they come up."""
    width = max(map(len, services), default=0)

    def tell(happened: "Happened") -> None:
        if settings.quiet or (happened.what in _QUIET and not settings.verbose):
            return
        name = paint(happened.service.ljust(width), "bold", sys.stderr)
        after = paint(f"({duration_text(happened.seconds)})", "dim", sys.stderr)
        click.echo(f"{name}  {_WORDS[happened.what]} {after}", err=True)

    return tell


def _stopping(settings: Settings) -> "Callable[[str, str], None]":
    def tell(service: str, what: str) -> None:
        if not settings.quiet:
            click.echo(f"{service}  {_WORDS[what]}", err=True)

    return tell


def _attend(settings: Settings, prepared: "Prepared", only: tuple[str, ...]) -> int:
    """Show the output of all until they end or the user ends them; they stop in the reverse order then."""
    from envforge.api import containers_logs  # noqa: PLC0415 (help needs none of it)
    from envforge.api import services as api  # noqa: PLC0415 (likewise)

    project = prepared.project

    def shown() -> "list[Container]":
        found = api.containers(project, prepared.instance)
        return [one for one in found if one.config["service"] in prepared.services]

    try:
        show_lines(
            containers_logs.follow_all(shown, project.store_path),
            Prefixes(prepared.services),
            lambda line: str(line.container.config["service"]),
        )
    except KeyboardInterrupt:
        click.echo("", err=True)
        api.take_down(project, _stopping(settings), instance=prepared.instance, only=only, remove=False)
        return 130
    return 0


@click.command(
    cls=Command,
    examples="""
        envforge down
        envforge down web               only this one
        envforge down --volumes         with what they have stored
        envforge down --instance test
    """,
)
@click.option("--volumes", "with_volumes", is_flag=True, help="Remove their named volumes too.")
@instance_option
@click.argument("services", nargs=-1, shell_complete=completions.services, metavar="[SERVICE…]")
@pass_settings
def down(settings: Settings, with_volumes: bool, services: tuple[str, ...]) -> None:  # noqa: FBT001 (click passes options)
    """Stop the services of the spec and remove their containers, dependents first; or only some.

    Named volumes stay.
    """
    from envforge.api import services as api  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    if not project.spec.services and not api.containers(project, settings.instance):
        raise UsageError(f"{project.spec_path} has no services", hint="write [services.NAME] with a command")
    api.take_down(
        project,
        _stopping(settings),
        instance=settings.instance,
        only=services,
        with_volumes=with_volumes,
    )
