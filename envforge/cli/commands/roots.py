"""`root add`, `rm` and `ls`: what keeps things in the store, and what a person wants kept."""

import click

from envforge.cli import completions
from envforge.cli.command import Command, Group, global_options, json_option
from envforge.cli.commands.comparing.diff import here
from envforge.cli.output import prefixed, print_json, print_table, short, time_text, timestamp
from envforge.cli.settings import Settings, pass_settings

root = Group(
    "root",
    help="Keep environments whatever becomes of their project.",
    params=global_options(before_command=False),
)


@root.command(
    cls=Command,
    examples="""
        envforge root add @2                    a generation of this project
        envforge root add shop --name demo      the environment of another project, as `envforge ls` has it
        envforge root add 5f0c2e1d              one by six digits or more of its digest
    """,
)
@click.argument("wanted", metavar="ENVIRONMENT", shell_complete=completions.targets)
@click.option("--name", default="", help="What to call it. Default: the beginning of its digest.")
@pass_settings
def add(settings: Settings, wanted: str, name: str) -> None:
    """Keep an environment until `envforge root rm`; no garbage collection takes it."""
    from envforge.api import upkeep  # noqa: PLC0415 (help needs none of it)

    with here(settings) as place:
        pin = upkeep.keep(place, wanted, name)
    if not settings.quiet:
        click.echo(f"{pin.name} keeps {short(pin.environment)}")


@root.command(
    cls=Command,
    examples="""
        envforge root rm demo
    """,
)
@click.argument("name", shell_complete=completions.pins)
@pass_settings
def rm(settings: Settings, name: str) -> None:
    """Keep an environment no longer: the next garbage collection may take it."""
    from envforge.api import upkeep  # noqa: PLC0415 (help needs none of it)

    upkeep.release(settings.store_path(), name)


@root.command(
    cls=Command,
    examples="""
        envforge root ls
        envforge root ls --json
    """,
)
@json_option
@pass_settings
def ls(settings: Settings) -> None:
    """List what keeps things: generations, roots that were added, builds and sandboxes that run."""
    from envforge.api import upkeep  # noqa: PLC0415 (help needs none of it)

    found = upkeep.roots(settings.store_path())
    if settings.json:
        print_json(
            [
                {
                    "name": one.name,
                    "kind": one.cause.value,
                    "environment": prefixed(one.environment),
                    "spec": one.spec,
                    "current": one.is_current,
                    "gone": one.is_gone,
                    "last_used": timestamp(one.used) if one.used else None,
                }
                for one in found
            ]
        )
        return
    rows = [
        (
            one.name,
            f"{one.cause.value}, gone" if one.is_gone else one.cause.value,
            short(one.environment).removeprefix("sha256:"),
            time_text(one.used) if one.used else "-",
            one.spec,
        )
        for one in found
    ]
    if rows:
        print_table(("NAME", "KIND", "ENVIRONMENT", "LAST USED", "PROJECT"), rows)
