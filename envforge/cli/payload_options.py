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
