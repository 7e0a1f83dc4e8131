"""`volume ls`, `rm`, `export`, `import` and `clone`: directories that outlive containers."""

import sys
from datetime import UTC, datetime

import click

from envforge.cli import completions
from envforge.cli.command import Command, Group, global_options, json_option
from envforge.cli.output import print_json, print_table, time_text
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import UsageError

_NS: int = 10**9

volume = Group(
    "volume",
    help="Directories by name that outlive containers.",
    params=global_options(before_command=False),
)


@volume.command(
    cls=Command,
    examples="""
        envforge volume ls
        envforge volume ls --json | jq -r '.[].path'
    """,
)
@json_option
@pass_settings
def ls(settings: Settings) -> None:
    """List the volumes, and the containers that have them."""
    from envforge.api import volumes as api  # noqa: PLC0415 (help needs none of it)

    store = settings.store_path()
    found = [(one, api.users(store, one.name)) for one in api.all_of(store)]
    if settings.json:
        print_json(
            [
                {
                    "name": one.name,
                    "project": one.project,
                    "created": f"{datetime.fromtimestamp(one.created / _NS, UTC):%Y-%m-%dT%H:%M:%SZ}",
                    "path": one.path,
                    "containers": users,
                }
                for one, users in found
            ]
        )
        return
    rows = [
        (one.name, time_text(one.created // _NS), ", ".join(users) or "-", one.project or "-")
        for one, users in found
    ]
    print_table(("NAME", "CREATED", "CONTAINERS", "PROJECT"), rows)


@volume.command(
    cls=Command,
    examples="""
        envforge volume rm shop-data
    """,
)
@click.argument("names", nargs=-1, required=True, metavar="NAME…", shell_complete=completions.volumes)
@pass_settings
def rm(settings: Settings, names: tuple[str, ...]) -> None:
    """Remove volumes with all that is in them. One that a container has stays."""
    from envforge.api import volumes as api  # noqa: PLC0415 (help needs none of it)

    for name in names:
        api.remove(settings.store_path(), name)
        if not settings.quiet:
            click.echo(name)


@volume.command(
    cls=Command,
    examples="""
        envforge volume export shop-data > data.tar
        envforge volume export shop-data | zstd > data.tar.zst
    """,
)
@click.argument("name", shell_complete=completions.volumes)
@pass_settings
def export(settings: Settings, name: str) -> None:
    """Write a volume to standard output as a tar archive."""
    from envforge.api import volumes as api  # noqa: PLC0415 (help needs none of it)

    if sys.stdout.isatty():
        raise UsageError(
            "an archive would spoil the terminal", hint=f"envforge volume export {name} > {name}.tar"
        )
    api.export(settings.store_path(), name, sys.stdout.buffer)
    sys.stdout.buffer.flush()


@volume.command(
    "import",
    cls=Command,
    examples="""
        envforge volume import shop-data < data.tar
        zstd -dc data.tar.zst | envforge volume import shop-data
    """,
)
@click.argument("name", shell_complete=completions.volumes)
@pass_settings
def import_(settings: Settings, name: str) -> None:
    """Unpack a tar archive from standard input into a volume, which is made if there is none."""
    from envforge.api import volumes as api  # noqa: PLC0415 (help needs none of it)

    if sys.stdin.isatty():
        raise UsageError(
            "there is no archive on standard input", hint=f"envforge volume import {name} < {name}.tar"
        )
    api.fill(settings.store_path(), name, sys.stdin.buffer)
    if not settings.quiet:
        click.echo(name)


@volume.command(
    cls=Command,
    examples="""
        envforge volume clone shop-data shop-test-data
    """,
)
@click.argument("name", shell_complete=completions.volumes)
@click.argument("new_name", metavar="NEW-NAME")
@pass_settings
def clone(settings: Settings, name: str, new_name: str) -> None:
    """Copy a volume under another name."""
    from envforge.api import volumes as api  # noqa: PLC0415 (help needs none of it)

    api.clone(settings.store_path(), name, new_name)
    if not settings.quiet:
        click.echo(new_name)
