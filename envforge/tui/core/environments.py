"""The Environments screen: one line for each environment of the store, and what is told of the chosen one."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from envforge.tui.core.commands import DEFAULT, Subject
from envforge.tui.core.grid import MARK, Cell, Column, Row
from envforge.tui.core.words import NONE, ago, moment, place, short
from envforge.units import size_text

if TYPE_CHECKING:
    from envforge.api.environments import EnvironmentInfo
    from envforge.api.inspecting import EnvironmentDetails

COLUMNS: Final = (
    Column(MARK, "", 1),
    Column("name", "NAME", 12, most=40, stretch=True),
    Column("generation", "GEN", 3, most=6, right=True, rank=3),
    Column("size", "SIZE", 7, right=True, rank=2),
    Column("own", "OWN", 7, right=True, rank=4),
    Column("used", "USED", 10, most=12),
    Column("running", "RUNS", 4, most=8, right=True, rank=1),
    Column("place", "PROJECT", 11, most=60, stretch=True, keep_end=True, rank=5),
)


def subject_of(info: "EnvironmentInfo") -> Subject:
    """Return what actions need to know of an environment in the list."""
    _, _, variant = info.name.partition(":")
    return Subject(info.spec, variant or DEFAULT, info.environment, info.name, info.generation)


def rows(
    found: Sequence["EnvironmentInfo"],
    running: Mapping[str, int],
    *,
    here: Subject | None = None,
    gone: Collection[str] = (),
    now: float | None = None,
) -> tuple[Row, ...]:
    """Return the lines of the table.

    `running` counts sandboxes by the subject's key. `here` is the project of the current directory, which may
    not be built yet. `gone` are specs that do not exist any more.
    """
    lines = [_row(info, running, gone, now) for info in found]
    if here is not None and here.key not in {row.key for row in lines}:
        lines.insert(0, _unbuilt(here))
    return tuple(lines)


def _row(
    info: "EnvironmentInfo", running: Mapping[str, int], gone: Collection[str], now: float | None
) -> Row:
    subject = subject_of(info)
    runs = running.get(subject.key, 0)
    where = place(info.spec)
    is_gone = info.spec in gone
    cells = (
        Cell(""),
        Cell(info.name, "strong"),
        Cell(str(info.generation), "dim"),
        Cell(size_text(info.size_bytes)),
        Cell(size_text(info.unique_bytes), "dim" if not info.unique_bytes else ""),
        Cell(ago(info.last_used, now)),
        Cell(str(runs) if runs else "", "good"),
        Cell(f"{where} (gone)" if is_gone else where, "warn" if is_gone else "dim"),
    )
    values = (
        "",
        info.name.casefold(),
        info.generation,
        info.size_bytes,
        info.unique_bytes,
        info.last_used,
        runs,
        info.spec,
    )
    return Row(subject.key, cells, values)


def _unbuilt(here: Subject) -> Row:
    blank = Cell(NONE, "dim")
    cells = (
        Cell(""),
        Cell(here.name, "strong"),
        blank,
        blank,
        blank,
        Cell("not built", "warn"),
        Cell(""),
        Cell(place(here.spec), "dim"),
    )
    return Row(here.key, cells, ("", here.name.casefold(), 0, 0, 0, 0, 0, here.spec))


def facts(info: "EnvironmentInfo | None", details: "EnvironmentDetails | None") -> list[tuple[str, Cell]]:
    """Return what the panel beside the table says, as names and values."""
    lines: list[tuple[str, Cell]] = []
    if info is not None:
        lines += [
            ("environment", Cell(short(info.environment), "accent")),
            ("generation", Cell(f"{info.generation}, made {moment(info.created)}")),
            ("last used", Cell(moment(info.last_used))),
            ("size", Cell(f"{size_text(info.size_bytes)}, {size_text(info.unique_bytes)} its own")),
            ("spec", Cell(place(info.spec), "dim")),
        ]
    else:
        lines.append(("environment", Cell("not built yet", "warn")))
    if details is not None:
        if details.description:
            lines.insert(0, ("", Cell(details.description, "strong")))
        asked = [package.name for package in details.packages if package.asked]
        lines += [
            ("suite", Cell(f"{details.suite}, {details.architecture}")),
            ("lock", lock_state(details)),
        ]
        if details.locked:
            lines += [
                ("packages", Cell(f"{len(details.packages)}, {len(asked)} asked for")),
                ("asked for", Cell(", ".join(asked) or NONE)),
            ]
    return lines


def lock_state(details: "EnvironmentDetails") -> Cell:
    """Return whether the lock fits its spec."""
    if not details.locked:
        return Cell("missing", "warn")
    if details.stale:
        return Cell(f"stale: {', '.join(details.stale)}", "warn")
    return Cell("current", "good")
