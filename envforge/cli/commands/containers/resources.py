"""`stats`, `top`, `pause`, `unpause`, `update`: what runs uses, and changing that."""

import pwd
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from envforge.cli import completions
from envforge.cli.command import Command, instance_option, json_option
from envforge.cli.failures import report
from envforge.cli.output import print_json, print_table
from envforge.cli.payload_options import given_limits, limit_options
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import ConflictError, EnvforgeError, NotFoundError, UsageError
from envforge.units import printable, size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envforge.api.containers import Target

_INTERVAL_S = 1.0
_SHORT_S = 0.25
"""Between two looks that a share of the processors is told from."""
_CLEAR = "\x1b[H\x1b[2J"
_HEADER = ("NAME", "ID", "CPU", "MEMORY", "LIMIT", "PROCESSES", "DISK READ", "WRITTEN", "RECEIVED", "SENT")


def _names(function: "Callable[..., object]") -> "Callable[..., object]":
    return instance_option(
        click.argument("names", nargs=-1, metavar="[NAME|ID|SERVICE…]", shell_complete=completions.running)(
            function
        )
    )


def _required(function: "Callable[..., object]") -> "Callable[..., object]":
    return instance_option(
        click.argument(
            "names", nargs=-1, required=True, metavar="NAME|ID|SERVICE…", shell_complete=completions.running
        )(function)
    )


@click.command(
    cls=Command,
    examples="""
        envforge stats                     all that runs, until Ctrl-C
        envforge stats --no-stream web
        envforge stats --json
    """,
)
@click.option("--no-stream", "once", is_flag=True, help="Print once.")
@json_option
@_names
@pass_settings
def stats(settings: Settings, once: bool, names: tuple[str, ...]) -> None:  # noqa: FBT001 (click passes options)
    """Show what containers, shells and runs use: processors, memory, processes, disks, network."""
    live = not once and not settings.json and sys.stdout.isatty()
    wait_s = _INTERVAL_S if live else _SHORT_S
    before: dict[str, tuple[float, int]] = {}
    first = True
    while True:
        found = _looked_at(_meant(settings, names) if first else _that_runs(settings, names), before)
        if first:
            first = False
        elif settings.json:
            print_json(found)
            return
        else:
            click.echo(_CLEAR if live else "", nl=False)
            print_table(_HEADER, [_row(one) for one in found])
            if not live:
                return
        try:
            time.sleep(wait_s)
        except KeyboardInterrupt:
            return


def _meant(settings: Settings, names: "Sequence[str]") -> "list[Target]":
    """Return what runs under those names, or all that runs."""
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    return containers.targets(settings.store_path(), names, spec=settings.file, instance=settings.instance)


def _that_runs(settings: Settings, names: "Sequence[str]") -> "list[Target]":
    """Return those that still run."""
    if not names:
        return _meant(settings, ())
    found = []
    for name in names:
        try:
            found += _meant(settings, [name])
        except (NotFoundError, ConflictError):
            continue  # it has ended meanwhile
    return found


def _looked_at(targets: "list[Target]", before: dict[str, tuple[float, int]]) -> list[dict[str, Any]]:
    """Return what each uses now; its share of the processors since the look `before`, which is kept there."""
    found = []
    for one in targets:
        usage, now = one.usage(), time.monotonic()
        share = None
        if usage.cpu_ns is not None:
            if one.id in before:
                then, used = before[one.id]
                share = max(0.0, (usage.cpu_ns - used) / (now - then) / 1e9)
            before[one.id] = (now, usage.cpu_ns)
        found.append(
            {
                "name": one.name,
                "id": one.id,
                "cpus": None if share is None else round(share, 3),
                "cpu_seconds": None if usage.cpu_ns is None else usage.cpu_ns / 1e9,
                "memory_bytes": usage.memory_bytes,
                "memory_limit_bytes": usage.memory_limit_bytes,
                "pids": usage.pids,
                "pids_limit": usage.pids_limit,
                "read_bytes": usage.read_bytes,
                "written_bytes": usage.written_bytes,
                "received_bytes": usage.received_bytes,
                "sent_bytes": usage.sent_bytes,
                "oom_kills": usage.oom_kills,
                "paused": usage.frozen,
            }
        )
    return found


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    sizes = (
        "memory_bytes",
        "memory_limit_bytes",
        "read_bytes",
        "written_bytes",
        "received_bytes",
        "sent_bytes",
    )
    memory, limit, *rest = ("-" if one[key] is None else size_text(one[key]) for key in sizes)
    share = "-" if one["cpus"] is None else f"{one['cpus'] * 100:.1f} %"
    pids = "-" if one["pids"] is None else str(one["pids"])
    return (one["name"], one["id"], "paused" if one["paused"] else share, memory, limit, pids, *rest)


@click.command(
    cls=Command,
    examples="""
        envforge top web
        envforge top --json web
    """,
)
@json_option
@instance_option
@click.argument("name", metavar="NAME|ID|SERVICE", shell_complete=completions.running)
@pass_settings
def top(settings: Settings, name: str) -> None:
    """List the processes of a container, or of a shell or run in another terminal.

    PID is the process's number on the host, INSIDE that inside.
    """
    [target] = _meant(settings, [name])
    found = target.processes()
    if settings.json:
        print_json(
            [
                {
                    "pid": one.pid,
                    "inside": one.inside,
                    "parent": one.parent,
                    "uid": one.uid,
                    "state": one.state,
                    "threads": one.threads,
                    "cpu_seconds": one.cpu_ns / 1e9,
                    "memory_bytes": one.memory_bytes,
                    "command": one.command,
                }
                for one in found
            ]
        )
        return
    rows = [
        (
            str(one.pid),
            str(one.inside),
            _user(one.uid),
            one.state,
            f"{one.cpu_ns / 1e9:.2f} s",
            size_text(one.memory_bytes),
            printable(one.command),
        )
        for one in found
    ]
    print_table(("PID", "INSIDE", "USER", "STATE", "CPU", "MEMORY", "COMMAND"), rows)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@click.command(
    cls=Command,
    examples="""
        envforge pause web
    """,
)
@_required
@pass_settings
def pause(settings: Settings, names: tuple[str, ...]) -> int:
    """Stop all processes of containers where they are, until `unpause`."""
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    return _each(settings, names, lambda one: containers.pause(one, paused=True))


@click.command(
    cls=Command,
    examples="""
        envforge unpause web
    """,
)
@_required
@pass_settings
def unpause(settings: Settings, names: tuple[str, ...]) -> int:
    """Let paused containers go on."""
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    return _each(settings, names, lambda one: containers.pause(one, paused=False))


@click.command(
    cls=Command,
    examples="""
        envforge update --memory 1g --cpus 2 web
        envforge update --pids-limit 500 web db
    """,
)
@limit_options
@_required
@click.pass_context
@pass_settings
def update(settings: Settings, context: click.Context, names: tuple[str, ...]) -> int:
    """Change the limits of containers that run, for their next starts too.

    Of one that had no limits before, only memory that it takes from then on counts.
    """
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    options = given_limits(context)
    if not options:
        raise UsageError("update needs a limit", hint=f"envforge update --memory 1g {names[0]}")
    return _each(settings, names, lambda one: containers.update(one, options))


def _each(settings: Settings, names: tuple[str, ...], act: "Callable[[Target], object]") -> int:
    """Do something with each and print its name; go on after a failure, whose exit code is returned."""
    first = 0
    for name in names:
        try:
            act(*_meant(settings, [name]))
            click.echo(name)
        except EnvforgeError as error:
            first = first or report(error, settings)
    return first
