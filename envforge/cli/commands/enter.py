"""`shell` and `run`: enter the environment. What hot.py cannot answer from its cache arrives here."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from envforge.cli.command import Command, allow_option, cache_option
from envforge.cli.detach_options import detach_options, understood
from envforge.cli.payload_options import given_limits, limit_options, place_options, variable_options
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import UsageError
from envforge.run_options import OptionError, environment_of, ports_of, volume_of, workdir_of

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
    cls=Command,
    context_settings=_PAYLOAD,
    examples="""
        envforge run -- python3 app.py
        envforge run -E test -- pytest
        envforge run -e DEBUG=1 -w /tmp -- env
        envforge run -v ./data:/data:ro -- ls /data
        envforge run -p 3000:3000 -- node app.js
        envforge run -m 512m --cpus 1.5 -- make
        envforge run -it -- bash
        envforge run -d --name web -- python3 -m http.server     in the background
    """,
)
@detach_options
@variable_options
@click.option("-v", "--volume", "volumes", multiple=True, metavar="SOURCE:TARGET[:ro]", help="Mount a path.")
@click.option(
    "-p", "--publish", "ports", multiple=True, metavar="[ADDRESS:]PORT:PORT[/udp]", help="Publish a port."
)
@place_options
@limit_options
@click.option("--locked", is_flag=True, help="Fail where the lock is missing or stale.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[--] COMMAND…")
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
    command: tuple[str, ...],
    **detached: Any,
) -> int:
    """Run one command in the environment.

    Builds first what is missing. Exits with the command's own code; 125 is a failure of envforge, 126 a
    command that cannot be executed, 127 one that is not there, 128+n one that signal n ended. With -d it runs
    on in a container, whose id is printed: `ps`, `logs`, `stop`, `rm` take its name or the id's beginning.
    """
    if not command:
        raise UsageError("run needs a command", hint="`envforge run -- COMMAND…`, or `envforge shell`")
    try:
        environment = environment_of(files, variables)
        mounted = tuple(volume_of(text) for text in volumes)
        start = workdir_of(workdir)
        published = ports_of(ports)
    except OptionError as error:
        raise UsageError(error.message, hint=error.hint) from error
    from envforge.api.entering import RunOptions  # noqa: PLC0415 (help needs none of it)

    options = RunOptions(volumes=mounted, user=user, is_private=bool(published), limits=given_limits(context))
    asked = understood(**detached, user=user, interactive=_interactive, tty=_tty)
    enter = _enter if asked is None else partial(_detach, asked=asked)
    given: Any = {"environment": environment, "workdir": start, "published": published}
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
    """Run it in a container, and print the container's id."""
    from envforge.api import containers, entering  # noqa: PLC0415 (help needs none of it)

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
