"""`build`: makes the environment."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from fcntl import F_GETFL, fcntl
from typing import TYPE_CHECKING, Any, Final

import click

from envforge.cli.command import Command, allow_option, cache_option, json_option
from envforge.cli.output import layer_as_json, prefixed, print_json, short
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import UsageError
from envforge.progress import terminal
from envforge.units import duration_text, size_text

_TERMINAL: Final = 2
"""Standard error: the stream that workers keep."""

if TYPE_CHECKING:
    from envforge.api.building import BuildResult


@click.command(
    cls=Command,
    examples="""
        envforge build                  lock what is stale, build what is missing
        envforge build -E db            another environment of the spec
        envforge build --locked         fail where lock or digests are not as written
        envforge build --rebuild        build every layer again
        envforge build --accept         take other digests than the lock's for the same packages
        envforge build --shell-on-failure   look around where a package could not be configured
        envforge build --json
    """,
)
@click.option(
    "--locked", is_flag=True, help="Fail where the lock is stale, or the result is not what it says."
)
@click.option("--frozen", is_flag=True, help="Build what the lock says; do not look whether it is stale.")
@click.option("--rebuild", is_flag=True, help="Build every layer again, even those in the store.")
@click.option("--accept", is_flag=True, help="Write other digests for the same packages into the lock.")
@click.option(
    "--shell-on-failure",
    is_flag=True,
    help="Where a package cannot be configured, enter the half-built tree.",
)
@click.option("--workers", type=click.IntRange(min=1), help="How many packages to unpack at once.")
@cache_option
@allow_option
@json_option
@pass_settings
def build(settings: Settings, /, locked: bool, frozen: bool, **options: Any) -> None:  # noqa: FBT001 (click passes options)
    """Build the environment, locking first where that is needed.

    What the lock says of the result stays: other digests for the same packages are a failure, unless they are
    accepted.
    """
    given = {"--locked": locked, "--frozen": frozen, "--accept": options["accept"]}
    excluded = [name for name, on in given.items() if on]
    if len(excluded) > 1:
        raise UsageError(
            f"{' and '.join(excluded)} exclude each other", hint="`envforge build --help` tells each"
        )
    from envforge.api import building, warm  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    enters = options["shell_on_failure"]
    with _terminal(enters), settings.progress(live=not enters) as listener:
        result = building.build(project, locked=locked, frozen=frozen, listener=listener, **options)
    if not frozen and all(layer.reused for layer in result.layers):
        warm.keep_answer(project, "build", f"{summary(result)}\n", result)
    if settings.json:
        print_json(as_json(result))
    elif not settings.quiet:
        click.echo(summary(result))


def _terminal(is_wanted: bool) -> AbstractContextManager[None]:  # noqa: FBT001 (one option)
    """Return what lends the terminal to a shell. Raises UsageError without one."""
    if not is_wanted:
        return nullcontext()
    if not (sys.stdin.isatty() and os.isatty(_TERMINAL) and fcntl(_TERMINAL, F_GETFL) & os.O_RDWR):
        raise UsageError(
            "--shell-on-failure needs a terminal", hint="leave it out; the failure names its log"
        )
    return terminal.lent(_TERMINAL)


def as_json(result: "BuildResult") -> dict[str, Any]:
    """Return what `build --json` prints."""
    return {
        "name": result.name,
        "environment": prefixed(result.environment),
        "layers": [{**layer_as_json(layer), "reused": layer.reused} for layer in result.layers],
        "seconds": round(result.seconds, 3),
    }


def summary(result: "BuildResult") -> str:
    """Return one line for people."""
    built = sum(not layer.reused for layer in result.layers)
    what = f"{built} of {len(result.layers)} layers built" if built else "nothing to build"
    size = size_text(sum(layer.size_bytes for layer in result.layers))
    return f"{result.name}  {short(result.environment)}  {size}, {what}, {duration_text(result.seconds)}"
