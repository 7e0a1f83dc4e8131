"""`why`, `why-rebuilt` and `owns`: where what is in an environment comes from."""

import os
import sys
from typing import TYPE_CHECKING

import click

from envforge.cli import completions
from envforge.cli.command import Command, json_option
from envforge.cli.commands.comparing.diff import here
from envforge.cli.output import paint, print_json, print_table
from envforge.cli.settings import Settings, pass_settings
from envforge.units import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envforge.api.comparing import Owned, Why

_ENVIRONMENT = click.option(
    "--in",
    "word",
    metavar="ENVIRONMENT",
    shell_complete=completions.targets,
    help="Another environment than the current one, named as for `envforge diff`.",
)


@click.command(
    cls=Command,
    examples="""
        envforge why libc6
        envforge why libssl3 --all      a chain from each package that was asked for
        envforge why jq --in @-1
    """,
)
@click.argument("package", shell_complete=completions.packages)
@click.option("--all", "every", is_flag=True, help="Show all chains, not only the shortest ten.")
@_ENVIRONMENT
@json_option
@pass_settings
def why(settings: Settings, package: str, word: str | None, *, every: bool) -> None:
    """Show why a package is in the environment.

    Prints the chains from what was asked for down to it, the shortest first, one for each package that was
    asked for.
    """
    from envforge.api import comparing  # noqa: PLC0415 (help needs none of it)

    with here(settings) as place:
        found = comparing.why(place, package, word)
    most = None if every else comparing.CHAINS_MAX
    if settings.json:
        print_json(comparing.plain.why(found, most))
        return
    for one in found:
        for line in _why_lines(one, most):
            click.echo(line)


def _why_lines(found: "Why", most: int | None) -> "Iterator[str]":
    package = found.package
    name = paint(printable(f"{package.name} {package.version}"), "bold", sys.stdout)
    if found.asked:
        yield f"{name} was asked for ({package.source})"
    elif found.base:
        yield f"{name} is part of the minimal system; nothing that was asked for needs it"
    else:
        yield f"{name} is needed ({package.source})"
    chains = [chain for chain in (found.chains or found.base_chains) if len(chain) > 1]
    for chain in chains[:most]:
        yield f"  {' -> '.join(printable(one.name) for one in chain)}"
    if most is not None and len(chains) > most:
        yield f"  … and {len(chains) - most} more; --all shows them"


@click.command(
    "why-rebuilt",
    cls=Command,
    examples="""
        envforge why-rebuilt            each layer that the last build made anew
        envforge why-rebuilt base
        envforge why-rebuilt --since 3
    """,
)
@click.argument("layer", required=False, shell_complete=completions.layers)
@click.option(
    "--since",
    "word",
    metavar="ENVIRONMENT",
    shell_complete=completions.targets,
    help="Compare with this one, not with the generation before; named as for `envforge diff`.",
)
@json_option
@pass_settings
def why_rebuilt(settings: Settings, layer: str | None, word: str | None) -> None:
    """Say why layers are not those of the generation before: what differs first in their recipes."""
    from envforge.api import comparing  # noqa: PLC0415 (help needs none of it)

    with here(settings) as place:
        found = comparing.why_rebuilt(place, layer, word)
    if settings.json:
        print_json(comparing.plain.rebuilt(found))
        return
    width = max((len(one.layer) for one in found), default=0)
    for one in found:
        name = one.layer.ljust(width)
        shown = name if one.same else paint(name, "yellow", sys.stdout)
        click.echo(f"{shown}  {printable(one.reason)}")


@click.command(
    cls=Command,
    examples="""
        envforge owns /usr/bin/git
        envforge owns /bin/sh /etc/passwd
        envforge owns /usr/bin/jq --in shop:test
    """,
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@_ENVIRONMENT
@json_option
@pass_settings
def owns(settings: Settings, paths: tuple[str, ...], word: str | None) -> None:
    """Say which package, layer and source a path inside comes from."""
    from envforge.api import comparing  # noqa: PLC0415 (help needs none of it)

    with here(settings) as place:
        found = [comparing.owns(place, path, word) for path in paths]
    if settings.json:
        print_json([comparing.plain.owned(one) for one in found])
        return
    print_table(("PATH", "PACKAGE", "LAYER", "SOURCE"), [_owned_row(one) for one in found])
    for one in found:
        if one.real != one.path and not settings.quiet:
            click.echo(f"{printable(os.fsdecode(one.path))} is {printable(os.fsdecode(one.real))}", err=True)


def _owned_row(found: "Owned") -> tuple[str, ...]:
    packages = [f"{one.name} {one.version}" for one in found.packages]
    more = len(packages) - 2
    named = ", ".join([*packages[:2], *([f"{more} more"] if more > 0 else [])])
    path = printable(os.fsdecode(found.real))
    return (path, printable(named) or "-", printable(found.layer), found.source)
