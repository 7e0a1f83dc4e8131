"""`verify` and `ci`: check that the store and a second build hold the same bytes."""

from typing import TYPE_CHECKING, Any

import click

from envforge.cli.command import Command, allow_option, cache_option, json_option
from envforge.cli.commands.build import as_json
from envforge.cli.output import prefixed, print_json
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import OutputError

if TYPE_CHECKING:
    from envforge.api.proof import VerifyResult


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
    """Read the environment from the disk and build it again, apart; name every file that differs."""
    from envforge.api import proof  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    with settings.progress() as listener:
        result = proof.verify(project, listener=listener)
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
    if any(item.is_altered for item in result.differences):
        return OutputError(
            "\n".join([f"the store was altered after it was built: {len(lines)} paths", *lines]),
            hint="`envforge build --rebuild` makes them anew from the archives; if it recurs, check the disk",
        )
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
        envforge ci -E db               another environment of the spec
        envforge ci --strict            build all of it again, too
        envforge ci --cache .cache      take layers from a directory that is kept between runs
    """,
)
@click.option("--strict", is_flag=True, help="Build again from the archives, apart, and compare.")
@cache_option
@allow_option
@pass_settings
def ci(settings: Settings, strict: bool) -> None:  # noqa: FBT001 (click passes options)
    """Build strictly from the lock, for machines.

    `build --locked --json`, and all of the result is read from the disk; nothing is ever asked.

    One environment a call: the spec's own, or that of -E. The lock must fit the whole spec, what is built
    must have the digests that the lock records, and the files must be what the digests say: a store that is
    kept between runs is not believed. Each cause of failure has an exit code of its own, and the failure is
    printed as JSON.
    """
    from envforge.api import proof  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    with settings.progress() as listener:
        result, verified = proof.check(project, strict=strict, listener=listener)
    if not verified.identical:
        raise _differs(verified)
    print_json(as_json(result))
