"""`run SERVICE -- COMMAND`: a single command with a service's means."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from envforge.cli.command import Command
from envforge.cli.commands.containers.foreground import attend
from envforge.cli.commands.services import teller
from envforge.cli.detach_options import in_foreground
from envforge.cli.settings import Settings
from envforge.errors import EnvforgeError

if TYPE_CHECKING:
    from collections.abc import Mapping

_BARE: Final = "envforge.bare"
"""The key in click's `meta` that says that no `--` stood before the words."""


class Run(Command):
    """Notes whether a `--` stood before the words: behind one, no word is a service's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; what stood before the words that are left says whether it was `--`."""
        words = list(args)
        found = super().parse_args(ctx, args)
        command = ctx.params.get("command") or ()
        before = words[: len(words) - len(command)]
        ctx.meta[_BARE] = before[-1:] != ["--"]
        return found


def service_of(settings: Settings, context: click.Context, words: Sequence[str]) -> str | None:
    """Return the service whose name stands right before `--`; any other word there is a command's name."""
    if not context.meta.get(_BARE) or len(words) < 2 or words[1] != "--":
        return None
    try:
        return words[0] if words[0] in settings.project().spec.services else None
    except EnvforgeError:
        return None  # told where it is opened again


def run_service(
    settings: Settings,
    service: str,
    command: Sequence[str],
    asked: "dict[str, Any] | None",
    detached: "Mapping[str, Any]",
    **given: Any,
) -> int:
    """Run it, in the foreground unless `-d` says otherwise; a container in the foreground leaves nothing."""
    from envforge.api import containers, services  # noqa: PLC0415 (help needs none of it)

    project = settings.project()
    is_detached = detached["detach"]
    wanted = {**(asked or in_foreground()), "remove": is_detached and detached["remove"]}
    wanted.pop("remove_after", None)
    wanted.pop("user", None)  # the service's, or the option's, which the plan has
    name = wanted.pop("name", None)
    if name is not None:
        containers.check_free(project.store_path, name)  # before anything is built
    with settings.progress() as listener:
        try:
            container = services.run_once(
                project,
                service,
                command,
                instance=settings.instance,
                name=name,
                report=teller(settings, [service, *project.spec.services[service].depends_on]),
                listener=listener,
                **given,
                **wanted,
            )
        except containers.CommandError as error:
            click.echo(f"envforge: {error.said}", err=True)
            return error.code
    if is_detached:
        click.echo(container.id)
        return 0
    return attend(container, remove=name is None or detached["remove"])
