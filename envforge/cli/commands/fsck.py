"""`fsck`: check the store, and repair it."""

import sys
from typing import TYPE_CHECKING, Any

import click

from envforge.cli.command import Command, json_option
from envforge.cli.output import paint, print_json
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import DamagedError
from envforge.units import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envforge.api.proof import Finding, Report

_SHOWN_MAX = 20
_PATHS = {
    "missing": "is missing",
    "new": "is not in the listing",
    "type": "is of another type",
    "size": "has another size",
    "content": "has other bytes",
    "mode": "has another mode",
    "owner": "has another owner",
    "time": "has another time",
    "attributes": "has other attributes",
    "unreadable": "cannot be read",
    "listing": "its listing is damaged",
    "facts": "its facts are missing or damaged",
}


@click.command(
    cls=Command,
    examples="""
        envforge fsck                   every file by size, mode, owner and time
        envforge fsck --full            read every byte
        envforge fsck --full --repair   make again what is damaged
        envforge fsck --json | jq '.corrupt[] | .path'
    """,
)
@click.option("--full", is_flag=True, help="Read and hash every file, instead of looking at sizes and times.")
@click.option("--repair", is_flag=True, help="Move what is damaged aside, and make it again from its recipe.")
@json_option
@pass_settings
def fsck(settings: Settings, full: bool, repair: bool) -> int:  # noqa: FBT001 (click passes options)
    """Check the whole store, and repair it.

    Compares every tree and layer with its listing, blobs with their names, and looks whether all that
    documents name is there. Exit code 32: there is damage that was not repaired. What processes left behind
    when they were killed is told, and is no damage.
    """
    from envforge.api import proof  # noqa: PLC0415 (help needs none of it)

    with settings.progress() as listener:
        report = proof.fsck(settings.store_path(), full=full, repair=repair, listener=listener)
    if settings.json:
        print_json(_as_json(report))
        return DamagedError.exit_code if report.damage else 0
    _print(report, settings)
    if report.damage:
        raise _damaged(report, settings.store_path(), repaired=repair)
    return 0


def offer_repair(settings: Settings, error: DamagedError) -> bool:
    """On a terminal, ask whether to repair the store now, and do it; return whether it is whole then."""
    if not settings.may_ask:
        return False
    click.echo(f"{paint('error:', 'red', sys.stderr)} {error.message}", err=True)
    if not click.confirm("Repair the store now, as `envforge fsck --repair` does?", err=True):
        return False
    from envforge.api import proof  # noqa: PLC0415 (only after a failure)

    with settings.progress() as listener:
        return not proof.fsck(settings.store_path(), repair=True, listener=listener).damage


def _damaged(report: "Report", store: str, *, repaired: bool) -> DamagedError:
    count = len(report.damage)
    what = f"the store {store} is damaged in {count} place{'s' if count > 1 else ''}"
    if repaired:
        return DamagedError(f"{what} that could not be repaired", hint="see above for what stands in the way")
    return DamagedError(what, hint="envforge fsck --repair")


def _print(report: "Report", settings: Settings) -> None:
    for one in report.notes:
        click.echo(f"{paint('note:', 'yellow', sys.stderr)} {one}", err=True)
    _print_findings(report.repaired, " and was repaired", all_of_them=settings.verbose)
    _print_findings(report.findings, all_of_them=settings.verbose)
    if settings.quiet:
        return
    counts = report.counts
    looked = f"{counts.layers} layers, {counts.trees} trees, {counts.files} files, {counts.blobs} blobs"
    read = f", {size_text(counts.read_bytes)} read" if counts.read_bytes else ""
    click.echo(f"checked {looked}{read} in {report.seconds:.1f} s")
    if report.repaired:
        click.echo(
            f"repaired {len(report.repaired)} of {len(report.repaired) + len(report.findings)} findings"
        )
    leftovers = len(report.findings) - len(report.damage)
    if leftovers:
        click.echo(f"{leftovers} leftovers: `envforge fsck --repair` removes them")
    if not report.findings:
        click.echo("all is as it must be")


def _print_findings(findings: "Sequence[Finding]", outcome: str = "", *, all_of_them: bool) -> None:
    shown = findings if all_of_them else findings[:_SHOWN_MAX]
    for one in shown:
        click.echo(_line(one) + outcome)
    if len(shown) < len(findings):
        click.echo(f"… and {len(findings) - len(shown)} more; --verbose shows all of them")


def _line(one: "Finding") -> str:
    name = one.layer[:12] if len(one.layer) == 64 else one.layer
    place = f" {one.path}" if one.path and one.kind in {"layer", "tree"} else ""
    return f"{one.kind} {name}{place}  {_PATHS.get(one.problem, one.problem)}"


def _as_json(report: "Report") -> dict[str, Any]:
    return {
        "layers": report.counts.layers,
        "trees": report.counts.trees,
        "files": report.counts.files,
        "blobs": report.counts.blobs,
        "read_bytes": report.counts.read_bytes,
        "corrupt": [_finding_as_json(one) for one in report.damage],
        "leftovers": [_finding_as_json(one) for one in report.findings if one.is_leftover],
        "repaired": len(report.repaired),
        "repairs": [_finding_as_json(one) for one in report.repaired],
        "notes": list(report.notes),
        "seconds": round(report.seconds, 3),
    }


def _finding_as_json(one: "Finding") -> dict[str, str]:
    return {"kind": str(one.kind), "layer": one.layer, "path": one.path, "problem": one.problem}
