"""The options that `run` and `exec` have in common, with Docker's names and meaning."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from envforge.cli import completions

Function = TypeVar("Function", bound=Callable[..., Any])


def variable_options(function: Function) -> Function:
    """Add `-e` and `--env-file`."""
    file = click.Path(readable=False)
    function = click.option(
        "--env-file", "files", multiple=True, type=file, help="Set variables from a file."
    )(function)
    names = ("-e", "--env", "variables")
    return click.option(*names, multiple=True, metavar="NAME[=VALUE]", help="Set a variable.")(function)


def place_options(function: Function) -> Function:
    """Add `-w`, `-u`, `-i` and `-t`."""
    options = (
        click.option("-w", "--workdir", metavar="DIR", help="Directory to start in."),
        click.option(
            "-u",
            "--user",
            metavar="USER",
            shell_complete=completions.users,
            help="self, root, or a user of the environment.",
        ),
        click.option("-i", "--interactive", "_interactive", is_flag=True, help="Keep standard input open."),
        click.option("-t", "--tty", "_tty", is_flag=True, help="The command needs a terminal."),
    )
    for option in reversed(options):
        function = option(function)
    return function


_LIMITS = (
    (("-m", "--memory"), "SIZE", "Memory it may use: 512m, 2g."),
    (("--memory-swap",), "SIZE", "Memory and swap together; -1 for all the swap there is."),
    (("--cpus",), "NUMBER", "Processors' time: 1.5."),
    (("--cpu-weight",), "NUMBER", "Share of busy processors, 1 to 10000; 100 is usual."),
    (("--cpu-shares",), "NUMBER", "Likewise in Docker's numbers; 1024 is usual."),
    (("--cpuset-cpus",), "LIST", "Processors to use: 0-3, 0,2."),
    (("--pids-limit",), "NUMBER", "Processes at once; -1 for no limit."),
    (("--device-read-bps",), "[DEVICE:]RATE", "Bytes a second from each disk, or from one: 50m."),
    (("--device-write-bps",), "[DEVICE:]RATE", "Likewise to it."),
)


def limit_options(function: Function) -> Function:
    """Add the limits of resources; `given_limits` finds them, in their order, among the options."""
    for names, metavar, text in reversed(_LIMITS):
        function = click.option(
            *names,
            _variable(names[-1]),
            multiple=True,
            metavar=metavar,
            help=text,
            expose_value=False,
            callback=_keep,
        )(function)
    return function


def _variable(name: str) -> str:
    return f"limit_{name.lstrip('-').replace('-', '_')}"


_GIVEN = "envforge.limits"
"""The key in click's `meta` of the limits."""


def _keep(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> None:
    name = max(parameter.opts, key=len).lstrip("-")
    context.meta.setdefault(_GIVEN, []).extend((name, value) for value in values)


def given_limits(context: click.Context) -> tuple[tuple[str, str], ...]:
    """Return the limits of a command line: name and value as written."""
    return tuple(sorted(context.meta.get(_GIVEN, ()), key=lambda one: one[0]))
