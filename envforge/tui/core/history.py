"""Generations: the list to choose from, and what going back would do."""

import difflib
import os
from typing import TYPE_CHECKING, Final

from envforge.tui.core.diff import package_lines
from envforge.tui.core.grid import Cell, Column, Row
from envforge.tui.core.words import count, moment, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envforge.api.comparing import PackageChange
    from envforge.api.history import Generation, Plan

COLUMNS: Final = (
    Column("number", "GEN", 4, right=True),
    Column("created", "MADE", 16),
    Column("reason", "WHY", 20, stretch=True),
    Column("environment", "ENVIRONMENT", 12, rank=1),
)
_LINES_MAX: Final = 200
_PACKAGES_MAX: Final = 12
_STYLES: Final = {"+": "good", "-": "bad", "@": "accent"}


def rows(generations: "Sequence[Generation]") -> tuple[Row, ...]:
    """Return a line a generation, the newest first; the current one is named so."""
    newest = max((one.number for one in generations), default=0)
    return tuple(
        Row(
            str(one.number),
            (
                Cell(str(one.number), "strong"),
                Cell(moment(one.created)),
                Cell(f"{one.reason} (current)".strip() if one.number == newest else one.reason),
                Cell(short(one.environment), "dim"),
            ),
            (one.number, one.created, one.reason, one.environment),
        )
        for one in sorted(generations, key=lambda one: -one.number)
    )


def preview_lines(plan: "Plan", packages: "Sequence[PackageChange] | None") -> list[Cell]:
    """Return what going back does to packages, spec and lock, as a question's lines.

    `packages` are None where they are not known: a record of that generation has gone.
    """
    lines: list[Cell] = []
    if plan.edits:
        names = " and ".join(os.path.basename(edit.path) for edit in plan.edits)
        lines += [Cell(f"{names}: edited since it was built. A copy is kept.", "warn"), Cell("")]
    if packages:
        lines += [*package_lines(packages, _PACKAGES_MAX), Cell("")]
    for change in plan.changes:
        lines.append(Cell(change.path, "strong"))
        if change.path.endswith(".lock"):
            before, after = (len(data.splitlines()) for data in (change.before, change.after))
            lines.append(Cell(f"  {count(before, 'line')} → {count(after, 'line')}", "dim"))
        else:
            lines += _unified(change.before, change.after)
        lines.append(Cell(""))
    if not plan.changes:
        lines.append(Cell("Spec and lock are as they were then already.", "dim"))
    lines.append(Cell("Going back is a generation of its own, so it can be undone.", "dim"))
    return lines


def _unified(before: bytes, after: bytes) -> list[Cell]:
    old, new = (data.decode(errors="replace").splitlines() for data in (before, after))
    found = list(difflib.unified_diff(old, new, lineterm="", n=2))[2 : _LINES_MAX + 2]
    return [Cell(f"  {line}", _STYLES.get(line[:1], "")) for line in found]
