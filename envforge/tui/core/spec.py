"""The Spec screen: mistakes as lines of a table, and what locking would change."""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from envforge.tui.core.grid import Cell, Column, Row
from envforge.tui.core.toml import Problem

COLUMNS: Final = (
    Column("line", "LINE", 5, right=True),
    Column("text", "MISTAKE", 30, stretch=True),
)


class Changed(Protocol):
    """What is read of a change of a lock."""

    @property
    def name(self) -> str:
        """Return the package's name."""

    @property
    def old(self) -> str:
        """Return its version so far, empty for a new one."""

    @property
    def new(self) -> str:
        """Return its version to be, empty for one that goes."""

    @property
    def environment(self) -> str:
        """Return the environment that it is of, empty where there is one only."""


def rows(problems: Sequence[Problem]) -> tuple[Row, ...]:
    """Return a line a mistake."""
    return tuple(
        Row(
            str(at),
            (Cell(str(one.line) if one.line else "", "dim"), Cell(one.text, "bad")),
            (one.line, one.text),
        )
        for at, one in enumerate(problems)
    )


def change_lines(changes: Iterable[Changed]) -> list[Cell]:
    """Return what locking would change, a line each: what comes, what goes, what is another version."""
    lines = []
    for one in changes:
        where = f"  ({one.environment})" if one.environment else ""
        if not one.old:
            lines.append(Cell(f"+ {one.name} {one.new}{where}", "good"))
        elif not one.new:
            lines.append(Cell(f"- {one.name} {one.old}{where}", "bad"))
        else:
            lines.append(Cell(f"~ {one.name} {one.old} → {one.new}{where}", "warn"))
    return lines or [Cell("nothing changes", "dim")]
