"""`verify` and `ci`: that the same bytes come out."""

from typing import TYPE_CHECKING, Any

import click

from envforge.cli.build import as_json
from envforge.cli.command import Command, allow_option, json_option
from envforge.cli.output import prefixed, print_json
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import OutputError

if TYPE_CHECKING:
    from envforge.api import VerifyResult


@click.command(
    cls=Command,
    examples="""
        envforge verify
        envforge verify --json
    """,
)
@allow_option
@json_option
@pass_settings
def verify(settings: Settings) -> int:
    """Build again, apart, and name every file that differs."""
    from envforge import api  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    with settings.progress() as progress:
        result = api.verify(project, progress=progress)
    if settings.json:
        print_json(_verify_as_json(result))
        return 0 if result.identical else OutputError.exit_code
    if not result.identical:
        raise _differs(result)
    if not settings.quiet:
        click.echo(f"identical  {prefixed(result.environment)}")
    return 0


def _differs(result: "VerifyResult") -> OutputError:
    lines = [f"  {item.layer}  {item.path}  {item.cause}" for item in result.differences]
    return OutputError(
        "\n".join([f"two builds differ in {len(lines)} paths", *lines]),
        hint="please report the paths: a package writes something that is not the same twice",
    )


def _verify_as_json(result: "VerifyResult") -> dict[str, Any]:
    return {
        "identical": result.identical,
        "environment": prefixed(result.environment),
        "differences": [
            {"layer": item.layer, "path": item.path, "cause": item.cause} for item in result.differences
        ],
    }


@click.command(
    cls=Command,
    examples="""
        envforge ci                     exit code 13: the lock is stale; 24: other digests; …
    """,
)
@allow_option
@pass_settings
def ci(settings: Settings) -> None:
    """Build strictly from the lock, for machines.

    The same as `build --locked --json`; nothing is ever asked.

    The lock must fit the spec, and what is built must have the digests that the lock records. Each cause of
    failure has an exit code of its own, and the failure is printed as JSON.
    """
    from envforge import api  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    with settings.progress() as progress:
        result = api.build(project, locked=True, progress=progress)
    print_json(as_json(result))
