"""The options of `run` for a container that lives on: `-d` and what belongs to it, with Docker's names."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from envforge.errors import UsageError
from envforge.run_options import OptionError, container_of

Function = TypeVar("Function", bound=Callable[..., Any])

_HINT = "add -d: `envforge run -d --name NAME -- COMMAND…`"


def detach_options(function: Function) -> Function:
    """Add `-d`, `--name`, `--rm`, `--restart`, `--label`, `--stop-signal` and `--stop-timeout`."""
    options = (
        click.option("-d", "--detach", is_flag=True, help="Run it in a container in the background."),
        click.option("--name", metavar="NAME", help="The container's name."),
        click.option("--rm", "remove", is_flag=True, help="Remove the container once it ends."),
        click.option(
            "--restart",
            metavar="POLICY",
            help="When to start it again: no, on-failure[:TIMES], always, unless-stopped.",
        ),
        click.option("--stop-signal", metavar="SIGNAL", help="What `stop` sends. Default: TERM."),
        click.option("--stop-timeout", "stop_s", metavar="SECONDS", help="Seconds from `stop` to the kill."),
        click.option(
            "-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label the container."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def understood(
    *,
    detach: bool,
    name: str | None,
    remove: bool,
    restart: str | None,
    stop_signal: str | None,
    stop_s: str | None,
    labels: tuple[str, ...],
    user: str | None,
    interactive: bool,
    tty: bool,
) -> dict[str, Any] | None:
    """Return what is asked of a container, None where none is wanted. Raises UsageError."""
    if not detach:
        _refuse(("--restart", restart), ("--label", labels))
        _refuse(("--stop-signal", stop_signal), ("--stop-timeout", stop_s))
        if name is None:
            return None
        return {"name": name, "user": user or "", "remove_after": remove, **in_foreground()}
    given = (("restart", restart), ("stop-signal", stop_signal), ("stop-timeout", stop_s))
    words = [(option, value) for option, value in given if value is not None]
    try:
        asked = container_of([*words, *(("label", label) for label in labels)], remove=remove)
    except OptionError as error:
        raise UsageError(error.message, hint=error.hint) from error
    return {**asked, "name": name, "user": user or "", "interactive": interactive, "tty": tty}


def in_foreground() -> dict[str, Any]:
    """Return what is asked of a container that its starter is attached to; a terminal where that has one."""
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return {"foreground": True, "interactive": True, "tty": has_terminal}


def _refuse(*options: tuple[str, object]) -> None:
    """Raise UsageError for an option that only a container can have."""
    for option, value in options:
        if value:
            raise UsageError(f"{option} is for containers", hint=_HINT)
