"""`store destroy`: removes a whole store."""

import click

from envforge.cli.command import Command, Group, global_options
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import UsageError

store = Group("store", help="Work on the store as a whole.", params=global_options(before_command=False))


@store.command(
    cls=Command,
    examples="""
        envforge store destroy
        envforge --store /srv/envforge store destroy --yes
    """,
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_settings
def destroy(settings: Settings, yes: bool) -> None:  # noqa: FBT001 (click passes options)
    """Remove the store with every environment in it, files of subordinate ids included.

    Projects, specs and locks stay; `envforge build` makes the same environments again.
    """
    path = settings.store_path()
    if not yes and not _agreed(settings, path):
        click.echo("nothing was removed", err=True)
        return
    from envforge.api import stores  # noqa: PLC0415 (help needs none of it)

    stores.destroy(path)
    if not settings.quiet:
        click.echo(f"removed {path}")


def _agreed(settings: Settings, path: str) -> bool:
    if not settings.may_ask:
        raise UsageError(f"nobody can be asked whether to remove {path}", hint="add --yes")
    return click.confirm(f"Remove the store {path} with every environment in it?", err=True)
