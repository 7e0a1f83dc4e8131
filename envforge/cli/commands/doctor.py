"""`doctor`: what this machine lacks, and the command that mends it."""

import os
import shutil
import sys
from itertools import chain
from typing import TYPE_CHECKING

import click

from envforge.cli.command import Command, json_option
from envforge.cli.output import paint, print_json
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import CapabilityError, EnvforgeError, NotFoundError

if TYPE_CHECKING:
    from envforge.api.doctor import Check
    from envforge.api.projects import Project


@click.command(
    cls=Command,
    examples="""
        envforge doctor
        envforge --store /srv/envforge doctor
        envforge doctor --json
    """,
)
@json_option
@pass_settings
def doctor(settings: Settings) -> int:
    """Say what this machine lacks, why, and what mends it.

    Exits with 22 where something is missing without which nothing works.
    """
    from envforge.api import doctor as machine  # noqa: PLC0415 (help needs none of it)

    worst = 0
    found = []
    for check in chain(machine.checks(settings.store_path(), _project(settings)), [_terminal()]):
        found.append(check)
        if check.state == machine.PROBLEM:
            worst = CapabilityError.exit_code
        if not settings.json:
            _tell(check)
    if settings.json:
        print_json({"checks": [_as_json(check) for check in found], "well": not worst})
    return worst


def _project(settings: Settings) -> "Project | None":
    """Return the project, None without a valid spec. Raises NotFoundError for a wrong -E."""
    try:
        return settings.project()
    except NotFoundError:
        raise
    except EnvforgeError:
        return None


def _terminal() -> "Check":
    """Return a finding on the terminal that progress is shown on."""
    from envforge.api.doctor import NOTE, WELL, Check  # noqa: PLC0415 (help needs none of it)

    stream = sys.stderr
    if not stream.isatty():
        return Check("terminal", WELL, "none: progress is told in plain lines")
    columns = shutil.get_terminal_size().columns
    kind = os.environ.get("TERM", "")
    if (stream.encoding or "").lower() not in {"utf-8", "utf8"}:
        return Check("terminal", NOTE, f"{kind}, {columns} columns", "it is not UTF-8", "export LANG=C.UTF-8")
    if kind in {"", "dumb"}:
        return Check("terminal", NOTE, f"TERM={kind}", "progress is told in plain lines", "export TERM=xterm")
    return Check("terminal", WELL, f"{kind}, {columns} columns")


def _tell(check: "Check") -> None:
    mark = {"well": paint("✓", "green", sys.stdout), "note": paint("!", "yellow", sys.stdout)}.get(
        check.state, paint("✗", "red", sys.stdout)
    )
    found = check.found.replace("\n", f"\n{'':14}")
    click.echo(f"{mark} {check.subject:<10}  {found}")
    if check.why:
        click.echo(f"  {'why':>10}  {check.why}")
    if check.mend:
        click.echo(f"  {'mend it':>10}  {check.mend}")


def _as_json(check: "Check") -> dict[str, str]:
    return {
        "subject": check.subject,
        "state": check.state,
        "found": check.found,
        "why": check.why,
        "mend": check.mend,
    }
