"""`ps`: which containers there are, and how they are."""

import time
from typing import TYPE_CHECKING, Any

import click

from envforge.cli.command import Command, json_option
from envforge.cli.output import prefixed, print_json, print_table, timestamp
from envforge.cli.settings import Settings, pass_settings
from envforge.units import printable

if TYPE_CHECKING:
    from envforge.api.containers import Container

_SECOND = 1_000_000_000


@click.command(
    cls=Command,
    examples="""
        envforge ps                those that run
        envforge ps -a             all
        envforge ps -aq            only their ids
        envforge ps --json
    """,
)
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that do not run.")
@click.option("-q", "only_ids", is_flag=True, help="Print ids only.")
@json_option
@pass_settings
def ps(settings: Settings, everything: bool, only_ids: bool) -> None:  # noqa: FBT001 (click passes options)
    """List containers."""
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    found = [one for one in containers.all_of(settings.store_path()) if everything or one.is_live]
    if settings.json:
        print_json([as_json(one) for one in found])
    elif only_ids:
        for one in found:
            click.echo(one.id)
    else:
        _show(found)


def _show(found: "list[Container]") -> None:
    rows = [
        (
            one.name,
            one.id,
            one.config["label"],
            status_text(one.status, one.state),
            ", ".join(port_text(port) for port in one.state["ports"]),
            printable(" ".join(one.config["command"])),
        )
        for one in found
    ]
    print_table(("NAME", "ID", "ENVIRONMENT", "STATUS", "PORTS", "COMMAND"), rows)


def as_json(one: "Container") -> dict[str, Any]:
    """Return a container as `ps --json` prints it."""
    config, state = one.config, one.state
    return {
        "id": one.id,
        "name": one.name,
        "environment": prefixed(config["environment"]),
        "environment_name": config["environment_name"],
        "label": config["label"],
        "spec": config["project"],
        "service": config["service"],
        "command": config["command"],
        "status": one.status,
        "exit_code": state["exit_code"],
        "pid": state["pid"],
        "ports": state["ports"],
        "created": timestamp(config["created"] // _SECOND),
        "started": timestamp(state["started"] // _SECOND) if state["started"] else None,
        "finished": timestamp(state["finished"] // _SECOND) if state["finished"] else None,
        "restarts": state["restarts"],
        "health": state["health"]["status"] if state["health"] else None,
        "oom_killed": state["oom_killed"],
        "limits": config["limits"],
        "not_enforced": state["not_enforced"],
        "error": state["error"],
    }


def port_text(port: dict[str, Any]) -> str:
    """Return a published port as Docker writes it: `127.0.0.1:8080->80/tcp`."""
    address = f"[{port['address']}]" if ":" in port["address"] else port["address"]
    return f"{address}:{port['host']}->{port['container']}/{port['protocol']}"


def status_text(status: str, state: dict[str, Any]) -> str:
    """Return how a container is, as Docker's `ps` says it."""
    now = time.time_ns()
    if status == "created":
        return "Created"
    if status in {"exited", "dead"}:
        ago = f" {_span(now - state['finished'])} ago" if state["finished"] else ""
        return f"{status.capitalize()} ({state['exit_code']}){ago}"
    if status == "restarting":
        return f"Restarting ({state['exit_code']}) {_span(now - state['finished'])} ago"
    further = {"paused": " (Paused)", "stopping": " (stopping)"}.get(status, "")
    if state["health"]:
        further += f" ({state['health']['status']})"
    return f"Up {_span(now - state['started'])}{further}"


def _span(nanoseconds: int) -> str:
    """Return a time as people say it; a clock that was set back makes none that is negative."""
    seconds = max(0, nanoseconds // _SECOND)
    for size, name in ((604800, "week"), (86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (seconds >= size and name != "week"):
            count = seconds // size
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
