"""`inspect` and `port`: all that is known of a container."""

from typing import TYPE_CHECKING, Any

import click

from envforge.cli import completions
from envforge.cli.command import Command, instance_option, json_option
from envforge.cli.commands.containers.listing import as_json
from envforge.cli.failures import report
from envforge.cli.output import print_json
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import EnvforgeError, NotFoundError
from envforge.units import printable

if TYPE_CHECKING:
    from envforge.api.containers import Container


@click.command(
    cls=Command,
    examples="""
        envforge inspect web
    """,
)
@instance_option
@click.argument(
    "names", nargs=-1, required=True, metavar="NAME|ID|SERVICE…", shell_complete=completions.containers
)
@pass_settings
def inspect(settings: Settings, names: tuple[str, ...]) -> int:
    """Print all that is known of containers, as a JSON list.

    What they were asked to be, how they are, what they see of this machine, and what cannot be enforced here.
    """
    found, first = [], 0
    for name in names:
        try:
            found.append(_described(settings.container(name)))
        except EnvforgeError as error:
            first = first or report(error, settings)
    print_json(found)
    return first


def _described(one: "Container") -> dict[str, Any]:
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    plan = containers.plan_of(one)
    mounts = [
        {"source": source, "target": target, "read_only": read_only}
        for source, target, read_only, _ in plan["mounts"]
    ]
    return {
        **as_json(one),
        "config": one.config,
        "state": one.state,
        "mounts": mounts,
        "layers": [f"sha256:{layer.removesuffix('/root')}" for layer in plan["layers"]],
        "weaker": [*plan["warnings"], *plan["notes"], *filter(None, one.state["way"][1:])],
        "log": f"{one.directory}/log",
    }


@click.command(
    cls=Command,
    examples="""
        envforge port web
        envforge port web 3000
    """,
)
@instance_option
@click.argument("name", metavar="NAME|ID|SERVICE", shell_complete=completions.containers)
@click.argument("port", required=False, metavar="[PORT[/udp]]")
@pass_settings
def port(settings: Settings, name: str, port: str | None) -> None:
    """Show where a container's ports are published."""
    one = settings.container(name)
    wanted = None if port is None else (port if "/" in port else f"{port}/tcp")
    shown = False
    for published in one.state["ports"]:
        inside = f"{published['container']}/{published['protocol']}"
        address = f"[{published['address']}]" if ":" in published["address"] else published["address"]
        if wanted is None:
            click.echo(f"{inside} -> {address}:{published['host']}")
        elif inside == wanted:
            click.echo(f"{address}:{published['host']}")
            shown = True
    if wanted is not None and not shown:
        raise NotFoundError(
            f"the container {one.name} does not publish its port {wanted}", hint=f"envforge port {one.name}"
        )


@click.command(
    cls=Command,
    examples="""
        envforge changes web
        envforge changes --json web
    """,
)
@instance_option
@click.argument("name", metavar="NAME|ID|SERVICE", shell_complete=completions.containers)
@json_option
@pass_settings
def changes(settings: Settings, name: str) -> None:
    """List what a container has changed of its environment's files.

    A: added, C: changed, D: deleted. Mounts and what lies in memory (/tmp, /run) are no part of it.
    """
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    found = containers.changes(settings.container(name))
    if settings.json:
        print_json([{"kind": kind, "path": path} for kind, path in found])
        return
    for kind, path in found:
        click.echo(f"{kind} {printable(path)}")
