"""`tui`: the screens, in this terminal, in a browser, or as text."""

import os
import sys

import click

from envforge.cli.command import Command
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import TerminalError, UsageError


@click.command(
    cls=Command,
    examples="""
        envforge tui
        envforge tui --read-only        look, change nothing
        envforge tui --plain            the same facts as text, for a screen reader or a pipe
        envforge tui --web              the same screens in a browser on this machine
    """,
)
@click.option("--plain", is_flag=True, help="Print what the screens show as text, and end.")
@click.option("--read-only", is_flag=True, help="Offer nothing that changes anything.")
@click.option(
    "--web", is_flag=True, help="Serve the screens on 127.0.0.1, at an address with a secret in it."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="With --web: this port, not a free one."
)
@pass_settings
def tui(settings: Settings, plain: bool, read_only: bool, web: bool, port: int) -> int:  # noqa: FBT001 (click passes options)
    """Look at environments, layers, packages and the store, and work on them, in a terminal.

    Keys stand at the bottom of each screen; ? shows all of them.
    """
    if plain and web:
        raise UsageError("--plain and --web exclude each other", hint="leave one of them out")
    if port and not web:
        raise UsageError("--port is of --web", hint="`envforge tui --web --port 8080`")
    if plain:
        from envforge.tui.plain import lines  # noqa: PLC0415 (help needs none of it)

        for line in lines(settings.store_path(), file=settings.file, environment=settings.environment):
            click.echo(line)
        return 0
    if web:
        return _serve(settings, port, read_only=read_only)
    from envforge.tui import start  # noqa: PLC0415 (as above)

    return start.run(
        settings.store_path(),
        store_option=settings.store,
        file=settings.file,
        environment=settings.environment,
        read_only=read_only,
    )


def _serve(settings: Settings, port: int, *, read_only: bool) -> int:
    try:
        from envforge.tui import web  # noqa: PLC0415 (as above)
    except ImportError as error:
        raise TerminalError(
            f"the TUI cannot be served: {error}", hint="pip install --upgrade textual-serve"
        ) from error
    web.serve(_arguments(settings, read_only=read_only), port, _say)
    return 0


def _say(address: str) -> None:
    click.echo(address)
    click.echo("open it in a browser on this machine; ctrl+c ends it", err=True)
    sys.stdout.flush()


def _arguments(settings: Settings, *, read_only: bool) -> list[str]:
    """Return the arguments of the command that each page starts."""
    options = {"--file": settings.file, "--environment": settings.environment, "--store": settings.store}
    given = [word for name, value in options.items() if value for word in (name, value)]
    if settings.store:
        given[given.index("--store") + 1] = os.path.abspath(settings.store)
    return [*given, "tui", *(["--read-only"] if read_only else [])]
