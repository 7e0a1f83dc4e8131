"""From arguments to an exit code: runs the command, and is the one place where failures become output."""

import io
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, TextIO

import click

from envforge.cli.completions import COMPLETE_VARIABLE
from envforge.cli.failures import report
from envforge.cli.root import root
from envforge.cli.settings import Settings
from envforge.errors import ConsentError, DamagedError

_INTERRUPTED: Final = 130
_BROKEN_PIPE: Final = 141


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; nothing is raised."""
    _print_anything()
    code = _run(list(sys.argv[1:] if argv is None else argv))
    _let_go(sys.stdout)
    _let_go(sys.stderr)
    return code


def _run(arguments: list[str]) -> int:
    instruction = os.environ.get(COMPLETE_VARIABLE)
    if instruction:
        from click.shell_completion import shell_complete  # noqa: PLC0415 (only for a shell)

        return shell_complete(root, {}, "envforge", COMPLETE_VARIABLE, instruction)
    settings = Settings(json=_wants_json(arguments))
    try:
        code = _invoke_with_consent(arguments, settings)
        sys.stdout.flush()
    except BrokenPipeError:
        return _BROKEN_PIPE
    except (KeyboardInterrupt, click.Abort):
        return _INTERRUPTED
    except SystemExit as ended:  # see Settings.progress
        return ended.code if isinstance(ended.code, int) else 1
    except Exception as error:  # noqa: BLE001 (nothing is swallowed: a bug shows its traceback)
        if isinstance(error, click.ClickException):  # parsing may have stopped before `--progress`
            settings.progress_way = settings.progress_way or _progress_way(arguments)
        return report(error, settings)
    return code


def _invoke_with_consent(arguments: list[str], settings: Settings) -> int:
    """Run the command; where the user consents, or has the store repaired, after a failure, run it again."""
    try:
        return _invoke(arguments, settings)
    except ConsentError:
        from envforge.cli.commands.allow import offer  # noqa: PLC0415 (only after a failure)

        if settings.command == "allow" or not offer(settings):
            raise
    except DamagedError as error:
        from envforge.cli.commands.fsck import offer_repair  # noqa: PLC0415 (likewise)

        if settings.command == "fsck" or not offer_repair(settings, error):
            raise
    return _invoke(arguments, settings)


def _invoke(arguments: list[str], settings: Settings) -> int:
    try:
        with root.make_context("envforge", arguments, obj=settings) as context:
            code = root.invoke(context)
    except click.exceptions.Exit as finished:
        return finished.exit_code
    return code if isinstance(code, int) else 0


def _print_anything() -> None:
    """Make stdout escape characters that its encoding lacks, and bytes of file names that are not text.

    Python has no stream for a descriptor that was closed when it started: there is one to nowhere then.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (as long as we run)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _wants_json(arguments: list[str]) -> bool:
    """Return whether to report failures as JSON, from the raw arguments: parsing itself may fail."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in own


def _progress_way(arguments: list[str]) -> str | None:
    """Return `json` where failures are to be reported as events, from arguments that did not parse."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "json" if "--progress=json" in own or ("--progress", "json") in pairwise(own) else None


def _let_go(stream: TextIO) -> None:
    """Flush a stream; one that takes nothing gets /dev/null, as the interpreter flushes it once more."""
    try:
        stream.flush()
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
