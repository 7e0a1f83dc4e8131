"""Classes of commands: global options everywhere, examples in the help, groups that suggest names."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from envforge.cli import completions
from envforge.cli.settings import PROGRESS_WAYS, Settings
from envforge.errors import UsageError

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value and parameter.name:
        setattr(context.ensure_object(Settings), parameter.name, value)


def _show_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 (click's call)
    if value and not context.resilient_parsing:
        from envforge import __version__  # noqa: PLC0415

        click.echo(f"envforge {__version__}")
        context.exit()


def global_options(*, before_command: bool) -> list[click.Parameter]:
    """Return the global options; behind the command they are hidden, without short names that Docker has."""

    def option(*names: str, **attributes: Any) -> click.Option:
        kept = names if before_command else tuple(name for name in names if not _is_dockers(name))
        attributes.setdefault("callback", _remember)
        return click.Option(kept, expose_value=False, hidden=not before_command, **attributes)

    return [
        option(
            "-f",
            "--file",
            type=click.Path(readable=False),
            help="The spec. Default: the nearest envforge.toml upward.",
        ),
        option(
            "-E",
            "--environment",
            metavar="NAME",
            shell_complete=completions.environments,
            help="Which of the spec's environments. Default: its own.",
        ),
        option(
            "--store",
            type=click.Path(readable=False),
            help="The store's directory. Default: $XDG_DATA_HOME/envforge.",
        ),
        option("-q", "--quiet", is_flag=True, help="Say nothing but errors and what was asked for."),
        option("--verbose", is_flag=True, help="Tell every step."),
        option(
            "--progress",
            "progress_way",
            type=click.Choice(PROGRESS_WAYS),
            help="How to tell what is done: auto, plain lines, json (an event a line), none.",
        ),
        option("--version", is_flag=True, is_eager=True, callback=_show_version, help="Print the version."),
    ]


def _is_dockers(name: str) -> bool:
    """Return whether a short name behind a command is reserved for Docker's options: all but `-E` are."""
    return len(name) == len("-f") and name != "-E"


class Command(click.Command):
    """A command that takes the global options too, and shows examples in its help."""

    def __init__(self, *args: Any, examples: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params += global_options(before_command=False)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they stand."""
        del ctx
        lines = [line.strip() for line in self.examples.strip().splitlines()]
        if self.examples:
            with formatter.section("Examples"):
                for line in lines:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


@click.pass_context
def _help_if_alone(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


class Group(click.Group):
    """A group that prints its help without a command, and suggests the nearest name for an unknown one."""

    def __init__(self, name: str, **attributes: Any) -> None:
        attributes |= {"no_args_is_help": False, "invoke_without_command": True}
        super().__init__(name, callback=_help_if_alone, **attributes)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` begin with. Raises UsageError, with the nearest name."""
        names = self.list_commands(ctx)
        if args[0] not in names:
            hint = self.suggestion(ctx, args[0], names)
            raise UsageError(f"there is no command {args[0]!r}", hint=hint)
        return super().resolve_command(ctx, args)

    def suggestion(self, ctx: click.Context, name: str, names: list[str]) -> str:
        """Return the hint for an unknown command."""
        import difflib  # noqa: PLC0415 (only after a mistake)

        close = difflib.get_close_matches(name, names, n=1)
        if close:
            return f"did you mean `{ctx.command_path} {close[0]}`?"
        return f"`{ctx.command_path} --help` lists the commands"


def json_option(function: _Function) -> _Function:
    """Add `--json`, which the command finds as `settings.json`."""
    return click.option(
        "--json", is_flag=True, expose_value=False, callback=_remember, help="Print JSON for programs."
    )(function)


def cache_option(function: _Function) -> _Function:
    """Add `--cache`, for commands that build."""
    return click.option(
        "--cache",
        type=click.Path(readable=False),
        metavar="DIR",
        expose_value=False,
        callback=_remember,
        help="Take layers from this directory, and put those that are built there.",
    )(function)


def allow_option(function: _Function) -> _Function:
    """Add `--allow`, for commands that may need the user's consent."""
    return click.option(
        "--allow",
        is_flag=True,
        expose_value=False,
        callback=_remember,
        help="Allow what the spec wants beyond its directory, and remember it.",
    )(function)


def instance_option(function: _Function) -> _Function:
    """Add `--instance`, which the command finds as `settings.instance`."""
    return click.option(
        "--instance",
        metavar="NAME",
        expose_value=False,
        callback=_remember,
        help="Of this instance of the project.",
    )(function)
