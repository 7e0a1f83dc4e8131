"""`logs`: what a container has written."""

import re
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from envforge.cli import completions
from envforge.cli.command import Command, instance_option
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envforge.api.containers_logs import Entry

_SPAN: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
_STEERING: Final = re.compile(
    rb"\x1b\[[0-9;:]*m"  # colours stay
    rb"|\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])?"
    rb"|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"
)


@click.command(
    cls=Command,
    examples="""
        envforge logs web
        envforge logs -f -n 20 web       the last 20 lines, then what comes
        envforge logs --since 10m web
        envforge logs -t web             with the time of each line
    """,
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until the container ends.")
@click.option("--since", metavar="TIME", help="From a time on: 2026-11-28T12:00:00Z, or 10m, 1h30m ago.")
@click.option("-n", "--tail", "last", metavar="N", default="all", help="Only the last lines.")
@click.option("-t", "--timestamps", is_flag=True, help="Show the time of each line.")
@instance_option
@click.argument("name", metavar="NAME|ID|SERVICE", shell_complete=completions.containers)
@pass_settings
def logs(  # noqa: PLR0917 (click passes them by name)
    settings: Settings,
    follow: bool,  # noqa: FBT001 (click passes options)
    since: str | None,
    last: str,
    timestamps: bool,  # noqa: FBT001
    name: str,
) -> None:
    """Show what a container has written to its standard output and standard error.

    On a terminal, control characters are left out, but for colours. The last 30 MiB are kept.
    """
    from envforge.api import containers_logs  # noqa: PLC0415 (help needs none of it)

    number = _count(last)
    begin = "" if since is None else since_text(since, time.time())
    container = settings.container(name)
    if follow:
        show(containers_logs.follow(container, last=number, since=begin), timestamps=timestamps)
    else:
        show(containers_logs.entries(container, last=number, since=begin), timestamps=timestamps)


def _count(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        raise UsageError(f"-n {text!r} is no number of lines", hint="write a number, or `all`")
    return int(text)


def since_text(text: str, now: float) -> str:
    """Return the time that `--since` means, as the log writes times. Raises UsageError."""
    span = _SPAN.fullmatch(text)
    try:
        if span and any(span.groups()):
            days, hours, minutes, seconds = (float(one or 0) for one in span.groups())
            moment = now - ((days * 24 + hours) * 60 + minutes) * 60 - seconds
        elif text.replace(".", "", 1).isdecimal():
            moment = float(text)
        else:
            meant = datetime.fromisoformat(text)
            moment = (meant if meant.tzinfo else meant.astimezone()).timestamp()
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S.%f}"
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"--since {text!r} is no time",
            hint="write 2026-11-28T12:00:00Z, 10m, 1h30m, or seconds since 1970",
        ) from None


def show(entries: "Iterator[Entry | None]", *, timestamps: bool, prefix: bytes = b"") -> None:
    """Write entries to standard output and standard error, as the container wrote them."""
    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    plain = {name: not stream.isatty() for name, stream in streams.items()}
    begun: set[str] = set()
    before = ""
    for one in entries:
        if one is None or one.stream != before:  # what came first is shown first
            sys.stdout.flush()
            sys.stderr.flush()
        if one is None:
            continue
        before = one.stream
        head = b""
        if one.stream not in begun:
            head = prefix + (f"{one.time} ".encode() if timestamps else b"")
        text = one.text if plain[one.stream] else for_terminal(one.text)
        streams[one.stream].buffer.write(head + text + (b"\n" if one.is_whole else b""))
        (begun.discard if one.is_whole else begun.add)(one.stream)
    sys.stdout.flush()
    sys.stderr.flush()


def for_terminal(text: bytes) -> bytes:
    """Return text without what could move a terminal's cursor, set its title or type into it."""
    return _STEERING.sub(_colours_only, text)


def _colours_only(found: "re.Match[bytes]") -> bytes:
    return found[0] if found[0][:2] == b"\x1b[" and found[0].endswith(b"m") else b""
