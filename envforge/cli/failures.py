"""Failures as users see them: `error:` and `hint:` on standard error, and one exit code per kind."""

import errno
import sys
from contextlib import suppress
from typing import Final

import click

from envforge.cli.output import paint, print_json
from envforge.cli.settings import Settings
from envforge.errors import EnvforgeError, StoreError, StoreFullError, UsageError

OWN_FAILURE: Final = 125
"""What `run`, `shell` and `exec` give for a failure that is not the command's, like Docker's `run`."""
_BUG: Final = 1
_PASS_CODES_ON: Final = frozenset({"exec", "run", "shell"})
_REPORT: Final = (
    "This is a bug in envforge. Please report it, with the lines above and what `envforge doctor` prints."
)


def report(error: Exception, settings: Settings) -> int:
    """Print the failure and return the exit code."""
    known = _known(error)
    if known is None:
        import traceback  # noqa: PLC0415 (only for a bug)

        _say("".join(traceback.format_exception(error)).rstrip())
        _say(_REPORT)
        return OWN_FAILURE if settings.command in _PASS_CODES_ON else _BUG
    code = OWN_FAILURE if settings.command in _PASS_CODES_ON else known.exit_code
    kind = type(known).__name__
    if settings.progress_way == "json":
        from envforge.progress.events import Failure  # noqa: PLC0415 (only after one)

        settings.view()(Failure(kind, known.message, known.hint, code))
    else:
        _tell(kind, known, settings)
    if settings.json:
        _print_json(kind, known, code)
    return code


def _tell(kind: str, known: EnvforgeError, settings: Settings) -> None:
    message = f"{kind}: {known.message}" if settings.command in _PASS_CODES_ON else known.message
    _say(f"{paint('error:', 'red', sys.stderr)} {message}")
    if known.hint:
        _say(f"{paint('hint:', 'cyan', sys.stderr)} {known.hint}")


def _known(error: Exception) -> EnvforgeError | None:
    """Return the error as one of ours, None for a bug."""
    if isinstance(error, EnvforgeError):
        return error
    if isinstance(error, click.ClickException):
        return _usage_error(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" for {error.filename}" if error.filename else ""
        return StoreFullError(
            f"no space left{where}: {error.strerror}", hint="free some space, then try again"
        )
    if isinstance(error, OSError) and error.errno in (errno.EIO, errno.EROFS):
        where = f"{error.filename}: " if error.filename else ""
        hint = "the disk fails, or was made read-only for that: see `dmesg`; then `envforge fsck --full`"
        return StoreError(f"{where}{error.strerror}", hint=hint)
    return None


def _usage_error(error: click.ClickException) -> UsageError:
    """Return click's error as a UsageError with a hint."""
    if isinstance(error, click.NoSuchOption):
        close = " or ".join(error.possibilities or ())
        hint = f"did you mean {close}?" if close else _help_of(error)
        return UsageError(f"there is no option {error.option_name}", hint=hint)
    text = error.format_message()
    return UsageError(text[:1].lower() + text[1:].rstrip("."), hint=_help_of(error))


def _help_of(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if isinstance(context, click.Context) else "envforge"
    return f"`{path} --help` shows what it takes"


def _print_json(kind: str, error: EnvforgeError, code: int) -> None:
    value = {"class": kind, "message": error.message, "hint": error.hint, "exit_code": code}
    print_json({"error": value})


def _say(text: str) -> None:
    """Print a line on standard error; where nobody reads it, or its disk is full, the exit code must do."""
    with suppress(OSError):
        click.echo(text, err=True)
