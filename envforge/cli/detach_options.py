"""The options of `run` for a container that lives on: `-d` and what belongs to it, with Docker's names."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from envforge.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])

_HINT = "add -d: `envforge run -d --name NAME -- COMMAND…`"


def detach_options(function: Function) -> Function:
    """Add `-d`, `--name`, `--rm`, `--label` and `--stop-timeout`."""
    options = (
        click.option("-d", "--detach", is_flag=True, help="Run it in a container in the background."),
        click.option("--name", metavar="NAME", help="The container's name."),
        click.option("--rm", "remove", is_flag=True, help="Remove the container once it ends."),
        click.option("--stop-timeout", "stop_s", type=int, help="Seconds from `stop` to its being killed."),
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
    stop_s: int | None,
    labels: tuple[str, ...],
    user: str | None,
) -> dict[str, Any] | None:
    """Return what is asked of a container, None where none is wanted. Raises UsageError."""
    if not detach:
        for option, value in (("--name", name), ("--stop-timeout", stop_s), ("--label", labels)):
            if value:
                raise UsageError(f"{option} is for containers", hint=_HINT)
        return None
    asked: dict[str, Any] = {"name": name, "remove": remove, "user": user or ""}
    if stop_s is not None:
        asked["stop"] = {"signal": 15, "seconds": stop_s}
    if labels:
        asked["labels"] = {key: value for key, _, value in (one.partition("=") for one in labels)}
    return asked
