"""`logs`: what a container has written."""

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from envforge.cli import completions
from envforge.cli.command import Command, instance_option, json_option
from envforge.cli.commands.containers.log_lines import Prefixes, show, show_json, show_lines
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envforge.api.containers import Container
    from envforge.api.containers_logs import Line

_SPAN: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


@click.command(
    cls=Command,
    examples="""
        envforge logs web
        envforge logs -f -n 20 web       the last 20 lines, then what comes
        envforge logs --since 10m web
        envforge logs -t web             with the time of each line
        envforge logs -f                 all services of this project, each line with its name in front
        envforge logs web db
    """,
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until the container ends.")
@click.option("--since", metavar="TIME", help="From a time on: 2026-11-28T12:00:00Z, or 10m, 1h30m ago.")
@click.option("-n", "--tail", "last", metavar="N", default="all", help="Only the last lines, of each.")
@click.option("-t", "--timestamps", is_flag=True, help="Show the time of each line.")
@json_option
@instance_option
@click.argument("names", nargs=-1, metavar="[NAME|ID|SERVICE…]", shell_complete=completions.containers)
@pass_settings
def logs(  # noqa: PLR0917 (click passes them by name)
    settings: Settings,
    follow: bool,  # noqa: FBT001 (click passes options)
    since: str | None,
    last: str,
    timestamps: bool,  # noqa: FBT001
    names: tuple[str, ...],
) -> None:
    """Show what containers have written to their standard output and standard error.

    Without a name those of all services of this project, ordered by time; following goes on with containers
    that are started meanwhile, until none has run for a second. On a terminal, control characters are left
    out, but for colours. The last 30 MiB of each are kept.
    """
    from envforge.api import containers_logs  # noqa: PLC0415 (help needs none of it)

    number = _count(last)
    begin = "" if since is None else since_text(since, time.time())
    if len(names) != 1 or settings.json:
        _several(settings, names, number, begin, follow=follow, timestamps=timestamps)
        return
    read = containers_logs.follow if follow else containers_logs.entries
    show(read(settings.container(names[0]), last=number, since=begin), timestamps=timestamps)


def _several(
    settings: Settings,
    names: tuple[str, ...],
    last: int | None,
    since: str,
    *,
    follow: bool,
    timestamps: bool,
) -> None:
    """Show the lines of several, or all as JSON."""
    from envforge.api import containers_logs  # noqa: PLC0415 (help needs none of it)

    store = settings.store_path()
    first = _meant(settings, names)
    if follow:
        lines: Iterable[Line | None] = containers_logs.follow_all(
            lambda: _meant(settings, names, missing=True), store, last=last, since=since
        )
    else:
        lines = containers_logs.merged(first, last=last, since=since)
    if settings.json:
        show_json(lines)
        return

    def label(container: "Container") -> str:
        service = str(container.config["service"])
        return service if service and (not names or service in names) else container.name

    show_lines(
        lines,
        Prefixes(label(one) for one in first),
        lambda line: label(line.container),
        timestamps=timestamps,
    )


def _meant(settings: Settings, names: tuple[str, ...], *, missing: bool = False) -> "list[Container]":
    """Return the containers of those names; without any, those of the project's services."""
    from envforge.api import containers_logs  # noqa: PLC0415 (help needs none of it)

    if not names:
        return containers_logs.of_services(settings.store_path(), settings.file, settings.instance)
    found = {}
    for name in names:
        try:
            one = settings.container(name)
        except NotFoundError:
            if not missing:
                raise
            continue  # it is being made anew, or is gone
        found[one.id] = one
    return list(found.values())


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
