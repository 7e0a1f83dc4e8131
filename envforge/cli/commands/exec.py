"""`exec`: runs a further command in a running sandbox, or lists the running sandboxes."""

from typing import TYPE_CHECKING, Any, Final

import click

from envforge.cli import completions
from envforge.cli.command import Command, instance_option, json_option
from envforge.cli.output import prefixed, print_json, print_table, time_text, timestamp
from envforge.cli.payload_options import place_options, variable_options
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import UsageError
from envforge.run_options import OptionError, environment_of, workdir_of

if TYPE_CHECKING:
    from envforge.api.joining import Running

_COMMAND: Final = "envforge.command"
"""The key in click's `meta` of the words behind `--`, for the command's function."""


class _Exec(Command):
    """Splits the arguments at `--`: a sandbox's name before it, the command behind it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND] = tuple(args[at + 1 :])
            args = args[:at]
            ctx.allow_interspersed_args = True
        return super().parse_args(ctx, args)


@click.command(
    "exec",
    cls=_Exec,
    context_settings={"allow_interspersed_args": False},
    examples="""
        envforge exec -- bash               inside what runs for this project
        envforge exec -E db -- psql         inside what runs for its environment db
        envforge exec shop:db -- ps         inside what has that name or ID
        envforge exec web -- ps             in a container, or the service of this project
        envforge exec -u root -it -- bash
        envforge exec                       what runs
        envforge exec --json
    """,
)
@variable_options
@place_options
@json_option
@instance_option
@click.argument(
    "words",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="[NAME|ID|SERVICE] [-- COMMAND…]",
    shell_complete=completions.running,
)
@click.pass_context
@pass_settings
def exec(  # noqa: A001, PLR0917 (it is the command; click passes options by name)
    settings: Settings,
    context: click.Context,
    variables: tuple[str, ...],
    files: tuple[str, ...],
    workdir: str | None,
    user: str | None,
    _interactive: bool,  # noqa: FBT001 (click passes options)
    _tty: bool,  # noqa: FBT001
    words: tuple[str, ...],
) -> int:
    """Run a further command inside a container, or inside what runs in another terminal.

    Without a name that is what runs for this project's environment that -E names; without a command it lists
    what runs. The command is confined as the first one is, and ends with it. Exits as `run` does.
    """
    from envforge.api import joining  # noqa: PLC0415 (help needs none of it)

    named, command = _understood(words, context.meta.get(_COMMAND))
    if not command:
        _show(settings, joining.running())
        return 0
    try:
        environment = environment_of(files, variables)
        start = workdir_of(workdir)
    except OptionError as error:
        raise UsageError(error.message, hint=error.hint) from error
    if settings.environment and not named:
        settings.project()  # raises where the spec has no such environment
    one = joining.container(settings.store_path(), named, settings.file, settings.instance) if named else None
    one = one or joining.find(named, settings.file, settings.environment)
    return joining.enter(one, command, user=user, workdir=start, variables=dict(environment))


def _understood(words: tuple[str, ...], command: tuple[str, ...] | None) -> tuple[str, tuple[str, ...]]:
    """Return the name before `--`, and the command; without `--` all words are the command, as with `run`."""
    if command is None:
        return "", words
    if len(words) > 1:
        raise UsageError(
            f"exec takes one name, not {len(words)}: {' '.join(words)}",
            hint="`envforge exec` lists what runs",
        )
    if not command:
        raise UsageError("exec needs a command behind `--`", hint="`envforge exec -- COMMAND…`")
    return "".join(words), command


def _show(settings: Settings, found: "tuple[Running, ...]") -> None:
    if settings.json:
        print_json([_as_json(one) for one in found])
    elif found:
        rows = [
            (one.id, one.name, time_text(one.started), " ".join(one.command), one.project) for one in found
        ]
        print_table(("ID", "NAME", "STARTED", "COMMAND", "PROJECT"), rows)
    elif not settings.quiet:
        click.echo("nothing runs: `envforge shell` or `envforge run` starts something", err=True)


def _as_json(one: "Running") -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "spec": one.project,
        "environment_name": one.environment_name,
        "environment": prefixed(one.environment),
        "store": one.store,
        "pid": one.pid,
        "started": timestamp(one.started),
        "command": list(one.command),
    }
