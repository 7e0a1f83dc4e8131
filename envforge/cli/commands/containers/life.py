"""`start`, `stop`, `kill`, `rm`, `wait`: what happens to a container, for one or several at once."""

import sys
from typing import TYPE_CHECKING

import click

from envforge.cli import completions
from envforge.cli.command import Command, instance_option
from envforge.cli.failures import report
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import EnvforgeError, NotFoundError, UsageError
from envforge.run_options import OptionError, signal_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from envforge.api.containers import Container


def _named(function: "Callable[..., object]") -> "Callable[..., object]":
    """Add the containers that are meant."""
    return instance_option(
        click.argument(
            "names",
            nargs=-1,
            required=True,
            metavar="NAME|ID|SERVICE…",
            shell_complete=completions.containers,
        )(function)
    )


def each(settings: Settings, names: tuple[str, ...], act: "Callable[[Container], object]") -> int:
    """Do something with each container and print its name; go on after a failure, as Docker does.

    Return the exit code of the first failure, 0 without one.
    """
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    first = 0
    for name in names:
        try:
            act(settings.container(name))
            click.echo(name)
        except EnvforgeError as error:
            first = first or report(error, settings)
        except containers.CommandError as error:
            click.echo(f"envforge: {error.said}", err=True)
            first = first or error.code
    return first


@click.command(
    cls=Command,
    examples="""
        envforge start web
    """,
)
@_named
@pass_settings
def start(settings: Settings, names: tuple[str, ...]) -> int:
    """Start containers that have stopped.

    Their files are as they were left, over the same environment. One that runs already stays as it is.
    """
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    def begin(one: "Container") -> None:
        if not containers.start(one) and not settings.quiet:
            click.echo(f"{one.name} runs already", err=True)

    return each(settings, names, begin)


@click.command(
    cls=Command,
    examples="""
        envforge stop web
        envforge stop -t 0 web db     at once
        envforge stop -s INT web
    """,
)
@click.option("-t", "--time", "seconds", type=int, help="Seconds until it is killed. Default: 10; -1: never.")
@click.option("-s", "--signal", "signal_name", metavar="SIGNAL", help="Instead of its stop signal (TERM).")
@_named
@pass_settings
def stop(settings: Settings, seconds: int | None, signal_name: str | None, names: tuple[str, ...]) -> int:
    """Stop containers: send the stop signal, after a while kill what is left.

    One that has stopped already stays as it is.
    """
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    number = None if signal_name is None else _signal_number(signal_name)
    return each(settings, names, lambda one: containers.stop(one, seconds=seconds, number=number))


@click.command(
    cls=Command,
    examples="""
        envforge restart web
        envforge restart -t 2 web
    """,
)
@click.option("-t", "--time", "seconds", type=int, help="Seconds until it is killed. Default: 10; -1: never.")
@_named
@pass_settings
def restart(settings: Settings, seconds: int | None, names: tuple[str, ...]) -> int:
    """Stop containers and start them again; start those that do not run."""
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    def again(one: "Container") -> None:
        containers.stop(one, seconds=seconds)
        containers.start(containers.find(one.store, one.id))

    return each(settings, names, again)


@click.command(
    cls=Command,
    examples="""
        envforge rename web shop-web
    """,
)
@instance_option
@click.argument("name", metavar="NAME|ID|SERVICE", shell_complete=completions.containers)
@click.argument("new", metavar="NEW")
@pass_settings
def rename(settings: Settings, name: str, new: str) -> None:
    """Give a container another name."""
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    containers.rename(settings.container(name), new)


@click.command(
    cls=Command,
    examples="""
        envforge kill web
        envforge kill -s HUP web
    """,
)
@click.option("-s", "--signal", "signal_name", default="KILL", metavar="SIGNAL", help="Default: KILL.")
@_named
@pass_settings
def kill(settings: Settings, signal_name: str, names: tuple[str, ...]) -> int:
    """Send a signal to the command of containers that run."""
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    number = _signal_number(signal_name)
    return each(settings, names, lambda one: containers.kill(one, number))


@click.command(
    cls=Command,
    examples="""
        envforge rm web
        envforge rm -f web db
        envforge ps -aq | xargs envforge rm -f     all of them
    """,
)
@click.option("-f", "--force", is_flag=True, help="Also those that run; no error for what is not there.")
@_named
@pass_settings
def rm(settings: Settings, force: bool, names: tuple[str, ...]) -> int:  # noqa: FBT001 (click passes options)
    """Remove containers, with what they have changed and their logs."""
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    if force:
        names = tuple(name for name in names if _is_there(settings, name))
    return each(settings, names, lambda one: containers.remove(one, force=force))


def _is_there(settings: Settings, name: str) -> bool:
    try:
        settings.container(name)
    except NotFoundError:
        return False
    except EnvforgeError:
        return True
    return True


@click.command(
    cls=Command,
    examples="""
        envforge wait job && echo done
    """,
)
@_named
@pass_settings
def wait(settings: Settings, names: tuple[str, ...]) -> int:
    """Wait until containers end, and print their exit codes."""
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    first = 0
    for name in names:
        try:
            click.echo(containers.wait(settings.container(name)))
            sys.stdout.flush()
        except EnvforgeError as error:
            first = first or report(error, settings)
    return first


def _signal_number(text: str) -> int:
    try:
        return signal_of(text)
    except OptionError as error:
        raise UsageError(error.message, hint=error.hint) from error
