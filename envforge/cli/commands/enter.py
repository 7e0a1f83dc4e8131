"""`shell` and `run`: enter the environment. What hot.py cannot answer from its cache arrives here."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from envforge.cli.command import Command, allow_option, cache_option, instance_option
from envforge.cli.commands.containers.foreground import attend
from envforge.cli.commands.one_off import Run, run_service, service_of
from envforge.cli.detach_options import detach_options, understood
from envforge.cli.payload_options import given_limits, limit_options, place_options, variable_options
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import UsageError
from envforge.run_options import OptionError, environment_of, named_volume_of, ports_of, volume_of, workdir_of

if TYPE_CHECKING:
    from envforge.api.entering import Published, RunOptions

_PAYLOAD = {"allow_interspersed_args": False}


@click.command(
    cls=Command,
    context_settings=_PAYLOAD,
    examples="""
        envforge shell
        envforge shell -E db            another environment of the spec
        envforge shell -- make test     the command instead of the shell
        envforge shell --locked         fail where the lock is stale
    """,
)
@click.option("--locked", is_flag=True, help="Fail where the lock is missing or stale.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[--] [COMMAND…]")
@cache_option
@allow_option
@pass_settings
def shell(settings: Settings, locked: bool, command: tuple[str, ...]) -> int:  # noqa: FBT001 (click passes options)
    """Enter the environment, building first what is missing.

    Starts the spec's shell, or the command.
    """
    from envforge.api.entering import RunOptions  # noqa: PLC0415 (help needs none of it)

    return _enter(settings, RunOptions(), command, locked=locked)


@click.command(
    cls=Run,
    context_settings=_PAYLOAD,
    examples="""
        envforge run -- python3 app.py
        envforge run -E test -- pytest
        envforge run -e DEBUG=1 -w /tmp -- env
        envforge run -v ./data:/data:ro -v kept:/kept -- ls /data /kept
        envforge run -p 3000:3000 -- node app.js
        envforge run -m 512m --cpus 1.5 -- make
        envforge run -it -- bash
        envforge run -d --name web -- python3 -m http.server     in the background
        envforge run web -- python3 manage.py migrate            with the means of the service web
    """,
)
@detach_options
@variable_options
@click.option(
    "-v",
    "--volume",
    "volumes",
    multiple=True,
    metavar="SOURCE:TARGET[:ro]",
    help="Mount a path, or a named volume.",
)
@click.option(
    "-p", "--publish", "ports", multiple=True, metavar="[ADDRESS:]PORT:PORT[/udp]", help="Publish a port."
)
@place_options
@limit_options
@click.option("--locked", is_flag=True, help="Fail where the lock is missing or stale.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[SERVICE] [--] COMMAND…")
@click.option("--no-deps", is_flag=True, help="Bring nothing up that SERVICE depends on.")
@click.option("--service-ports", is_flag=True, help="Publish the ports of SERVICE.")
@instance_option
@cache_option
@allow_option
@click.pass_context
@pass_settings
def run(  # noqa: PLR0917 (click passes them by name)
    settings: Settings,
    context: click.Context,
    /,
    variables: tuple[str, ...],
    files: tuple[str, ...],
    volumes: tuple[str, ...],
    ports: tuple[str, ...],
    workdir: str | None,
    user: str | None,
    _interactive: bool,  # noqa: FBT001 (click passes options)
    _tty: bool,  # noqa: FBT001
    locked: bool,  # noqa: FBT001
    no_deps: bool,  # noqa: FBT001
    service_ports: bool,  # noqa: FBT001
    command: tuple[str, ...],
    **detached: Any,
) -> int:
    """Run one command in the environment.

    Builds first what is missing. Exits with the command's own code; 125 is a failure of envforge, 126 a
    command that cannot be executed, 127 one that is not there, 128+n one that signal n ended. With -d it runs
    on in a container, whose id is printed: `ps`, `logs`, `stop`, `rm` take its name or the id's beginning.
    With --name alone that container is in the foreground. A service's name right before `--` gives the
    command all that the service has (environment, variables, mounts, volumes, user, limits, network) but its
    ports; -e, -v, -p and limits come on top, before the service's own.
    """
    if not command:
        raise UsageError("run needs a command", hint="`envforge run -- COMMAND…`, or `envforge shell`")
    try:
        environment = environment_of(files, variables)
        by_name = [(text, named_volume_of(text)) for text in volumes]
        mounted = tuple(volume_of(text) for text, found in by_name if found is None)
        named = tuple(found for _, found in by_name if found is not None)
        start = workdir_of(workdir)
        published = ports_of(ports)
    except OptionError as error:
        raise UsageError(error.message, hint=error.hint) from error
    from envforge.api.entering import RunOptions  # noqa: PLC0415 (help needs none of it)

    limits = given_limits(context)
    asked = understood(**detached, user=user, interactive=_interactive, tty=_tty)
    if service := service_of(settings, context, command):
        given: Any = {"variables": dict(environment), "workdir": start, "user": user, "locked": locked}
        given |= {"with_dependencies": not no_deps, "ports": ports, "with_ports": service_ports}
        given |= {"options": RunOptions(volumes=mounted, named=named, limits=limits)}
        return run_service(settings, service, command[2:], asked, detached, **given)
    if service_ports:
        raise UsageError("--service-ports is for a service's name before `--`", hint="-p PORT:PORT")
    options = RunOptions(volumes=mounted, named=named, user=user, is_private=bool(published), limits=limits)
    enter = _enter if asked is None else partial(_detach, asked=asked)
    given = {"environment": environment, "workdir": start, "published": published}
    return enter(settings, options, command, locked=locked, **given)


def _detach(
    settings: Settings,
    options: "RunOptions",
    command: tuple[str, ...],
    *,
    asked: dict[str, Any],
    locked: bool,
    environment: tuple[tuple[str, str], ...] = (),
    workdir: str | None = None,
    published: "tuple[Published, ...]" = (),
) -> int:
    """Run it in a container, and print the container's id; or stay with it, if it is in the foreground."""
    from envforge.api import containers, entering  # noqa: PLC0415 (help needs none of it)

    remove = asked.pop("remove_after", False)
    asked["volumes"] = [
        {"volume": name, "target": target, "read_only": read_only}
        for name, target, read_only in options.named
    ]
    if asked["name"] is not None:
        containers.check_free(settings.store_path(), asked["name"])  # before anything is built
    project = settings.project()
    with settings.progress() as listener:
        compiled = entering.prepare(project, options, locked=locked, listener=listener)
    try:
        container = containers.run(
            compiled, command, workdir=workdir, variables=dict(environment), published=published, **asked
        )
    except containers.CommandError as error:
        click.echo(f"envforge: {error.said}", err=True)
        return error.code
    if asked.get("foreground"):
        return attend(container, remove=remove)
    click.echo(container.id)
    return 0


def _enter(
    settings: Settings,
    options: "RunOptions",
    command: tuple[str, ...],
    *,
    locked: bool,
    environment: tuple[tuple[str, str], ...] = (),
    workdir: str | None = None,
    published: "tuple[Published, ...]" = (),
) -> int:
    from envforge.api import entering  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    listening = entering.listen(published)  # first: a build takes long, and the port would be taken after it
    with settings.progress() as listener:
        compiled = entering.prepare(project, options, locked=locked, listener=listener)
    return entering.enter(
        compiled, command, workdir=workdir, variables=dict(environment), listening=listening
    )
