"""`history` and `rollback`: the generations of a project's environment."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from envforge.cli import completions
from envforge.cli.command import Command, json_option
from envforge.cli.output import (
    paint,
    prefixed,
    print_json,
    print_table,
    short,
    time_text,
    timestamp,
)
from envforge.cli.settings import Settings, pass_settings
from envforge.units import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envforge.api.history import Change, Generation, Plan

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command(
    cls=Command,
    examples="""
        envforge history
        envforge history -E db --last 5
        envforge history --json | jq '.[-1].environment'
    """,
)
@click.option("-n", "--last", type=click.IntRange(min=1), metavar="N", help="Show the last N only.")
@json_option
@pass_settings
def history(settings: Settings, last: int | None) -> None:
    """List the generations of this project's environment, the newest first.

    Each build that changes the environment is one. `envforge rollback` goes back to any of them.
    """
    from envforge.api import history as api  # noqa: PLC0415 (help needs none of it)

    found = api.generations(settings.location())
    shown = found[-last:] if last else found
    if settings.json:
        print_json([_as_json(one, one is found[-1]) for one in shown])
        return
    rows = [
        (
            f"{one.number}{' *' if one is found[-1] else ''}",
            short(one.environment).removeprefix("sha256:"),
            time_text(one.created),
            printable(one.reason),
        )
        for one in reversed(shown)
    ]
    print_table(("NUMBER", "ENVIRONMENT", "CREATED", "REASON"), rows)


def _as_json(generation: "Generation", is_current: bool) -> dict[str, Any]:  # noqa: FBT001 (a value)
    return {
        "number": generation.number,
        "current": is_current,
        "environment": prefixed(generation.environment),
        "created": timestamp(generation.created),
        "reason": generation.reason,
        "spec": prefixed(generation.spec),
        "lock": prefixed(generation.lock),
    }


@click.command(
    cls=Command,
    examples="""
        envforge rollback               to the generation before this one; again: undoes that
        envforge rollback 3             to the third; `envforge history` lists them
        envforge rollback 3 --dry-run   only show what would change
    """,
)
@click.argument("generation", type=int, required=False, shell_complete=completions.generations)
@click.option("--dry-run", is_flag=True, help="Show what would change in spec and lock; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before edits are replaced; a copy is kept.")
@json_option
@pass_settings
def rollback(settings: Settings, generation: int | None, dry_run: bool, yes: bool) -> None:  # noqa: FBT001 (click passes options)
    """Go back to an earlier generation: its spec, its lock and its environment.

    Spec and lock are of all environments of the project, so all of them go back. It is a new generation, so
    that it can be undone. A spec or lock that was edited since it was built is shown and kept as a copy.
    """
    from envforge.api import history as api  # noqa: PLC0415 (help needs none of it)

    location = settings.location()
    if dry_run or (settings.may_ask and not yes):
        plan = api.preview(location, generation)
        if dry_run:
            _show_plan(settings, plan)
            return
        if plan.edits:
            yes = _agreed(plan)
            if not yes:
                click.echo("nothing was changed", err=True)
                return
    with settings.progress() as listener:
        done = api.rollback(location, generation, over_edits=yes, listener=listener)
    if settings.json:
        print_json(
            {
                "target": done.target.number,
                "generation": _as_json(done.generation, is_current=True),
                "backup": done.backup or None,
                "built": done.built,
            }
        )
    elif not settings.quiet:
        digest = short(done.generation.environment)
        click.echo(f"generation {done.generation.number} is generation {done.target.number} again: {digest}")
        if done.backup:
            click.echo(f"your edits are kept in {done.backup}")


def _show_plan(settings: Settings, plan: "Plan") -> None:
    if settings.json:
        changed = [change.path for change in plan.changes]
        edited = [edit.path for edit in plan.edits]
        print_json({"target": plan.target.number, "changes": changed, "edits": edited})
        return
    if plan.edits:
        click.echo("edited since the last build, and in no generation:")
        _print_diffs(plan.edits)
        click.echo()
    click.echo(
        f"going back to generation {plan.target.number} changes:" if plan.changes else "nothing changes"
    )
    _print_diffs(plan.changes)


def _agreed(plan: "Plan") -> bool:
    click.echo("edited since the last build, and in no generation:", err=True)
    _print_diffs(plan.edits, to_stderr=True)
    return click.confirm("Go back all the same, and keep a copy of these edits?", err=True)


def _print_diffs(changes: "Sequence[Change]", *, to_stderr: bool = False) -> None:
    stream = sys.stderr if to_stderr else sys.stdout
    for line in (line for change in changes for line in _lines_of(change)):
        colour = "bold" if line.startswith(("+++", "---")) else _COLOURS.get(line[:1], "")
        text = printable(line)
        click.echo(paint(text, colour, stream) if colour else text, err=to_stderr)


def _lines_of(change: "Change") -> "Iterator[str]":
    """Yield a unified diff."""
    import difflib  # noqa: PLC0415 (`history` shows none)

    name = os.path.basename(change.path)
    before, after = (data.decode("utf-8", "replace").splitlines() for data in (change.before, change.after))
    return difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", lineterm="")
