"""The table of containers: those of a project under its line, in the order in which they start."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from envforge.tui.core.containers import ports, samples
from envforge.tui.core.grid import MARK, Cell, Column, Grid, Row
from envforge.tui.core.words import ago, count, place
from envforge.units import size_text

if TYPE_CHECKING:
    from envforge.api.containers import Container
    from envforge.tui.core.containers.samples import Samples

_SPARK: Final = 10
_SECOND_NS: Final = 1_000_000_000
GROUP: Final = "\0"
"""The first character of a group's key; ids have none such."""
COLUMNS: Final = (
    Column(MARK, "", 1),
    Column("name", "NAME", 14, most=40, stretch=True),
    Column("status", "STATUS", 13, most=24),
    Column("cpu", "CPU", 7, right=True, rank=2),
    Column("cpu-line", "", _SPARK, rank=7),
    Column("memory", "MEMORY", 8, right=True, rank=4),
    Column("memory-line", "", _SPARK, rank=8),
    Column("ports", "PORTS", 7, most=26, rank=5),
    Column("needs", "NEEDS", 5, most=20, rank=6),
)
_SIGNS: Final = {
    "running": Cell("●", "good"),
    "paused": Cell("‖", "warn"),
    "restarting": Cell("↻", "warn"),
    "stopping": Cell("◐", "warn"),
    "created": Cell("○", "dim"),
}
_HEALTH: Final = {"healthy": "good", "starting": "warn", "unhealthy": "bad"}

Needs = Mapping[str, Mapping[str, tuple[tuple[str, str], ...]]]
"""By spec and service: the services that it waits for, each with the condition."""


@frozen
class Group:
    """The containers of one project, of one of its instances."""

    spec: str
    instance: str
    containers: "tuple[Container, ...]"

    @property
    def key(self) -> str:
        """Return the key of its row."""
        return f"{GROUP}{self.spec}\0{self.instance}"

    @property
    def name(self) -> str:
        """Return how its row is called."""
        own = next((one.config["label"].partition(":")[0] for one in self.containers), "")
        called = own or os.path.basename(os.path.dirname(self.spec)) or "no project"
        return f"{called} ({self.instance})" if self.instance else called


@define
class GroupedGrid(Grid):
    """A table in which each row stays below its group's, whatever it is sorted by."""

    groups: dict[str, str] = field(factory=dict)
    """By key: the key of the row's group."""

    def shown(self) -> tuple[Row, ...]:
        """Return the rows that the filter lets through: a group's own where any of its rows passes."""
        if self._shown is None:
            below: dict[str, list[Row]] = {}
            heads = {row.key: row for row in self.rows if row.key.startswith(GROUP)}
            words = self.filter.casefold().split()
            for row in self.rows:
                group = self.groups.get(row.key, "")
                head = heads.get(group)
                if head is not None and all(row.has(word) or head.has(word) for word in words):
                    below.setdefault(group, []).append(row)
            if self.sort:
                index = self.column(self.sort)
                for rows_of in below.values():
                    rows_of.sort(key=lambda row: row.value(index), reverse=self.descending)
            found = [row for key, rows_of in below.items() for row in (heads[key], *rows_of)]
            self._shown = tuple(found)
            self._places = {row.key: number for number, row in enumerate(found)}
        return self._shown

    def count_of_containers(self) -> int:
        """Return how many rows are shown that are no group's."""
        return sum(not row.key.startswith(GROUP) for row in self.shown())


def grouped(found: "Iterable[Container]", needs: Needs) -> tuple[Group, ...]:
    """Return the containers by project, those with services first; each in the order in which they start."""
    parts: dict[tuple[str, str], list[Container]] = {}
    for one in found:
        parts.setdefault((one.config["project"], one.config.get("instance", "")), []).append(one)
    groups = [
        Group(spec, instance, tuple(sorted(those, key=_order(needs.get(spec, {})))))
        for (spec, instance), those in parts.items()
    ]
    return tuple(sorted(groups, key=lambda one: (one.name, one.spec, one.instance)))


def _order(needs: Mapping[str, tuple[tuple[str, str], ...]]) -> "_Order":
    return _Order(needs)


@frozen
class _Order:
    """Tells what a container is sorted by: how many others have to come before it, then its name."""

    needs: Mapping[str, tuple[tuple[str, str], ...]]

    def __call__(self, one: "Container") -> tuple[bool, int, str]:
        service = one.config["service"]
        return (not service, _depth(service, self.needs, ()), one.name)


def _depth(service: str, needs: Mapping[str, tuple[tuple[str, str], ...]], above: tuple[str, ...]) -> int:
    before = [name for name, _ in needs.get(service, ()) if name not in above]
    return 1 + max((_depth(name, needs, (*above, service)) for name in before), default=0)


def rows(groups: Sequence[Group], needs: Needs, known: "Samples", now_s: float | None = None) -> list[Row]:
    """Return the lines of the table, each group's own before those of its containers."""
    found = []
    for group in groups:
        found.append(_head(group))
        found += [_row(one, needs.get(group.spec, {}), known, now_s) for one in group.containers]
    return found


def places(groups: Sequence[Group]) -> dict[str, str]:
    """Return the key of the group for each container's id."""
    return {one.id: group.key for group in groups for one in group.containers}


def _head(group: Group) -> Row:
    runs = sum(one.is_live for one in group.containers)
    cells = [Cell("") for _ in COLUMNS]
    cells[1] = Cell(group.name, "strong")
    cells[2] = Cell(f"{runs} of {len(group.containers)} run", "dim")
    return Row(group.key, tuple(cells))


def _row(
    one: "Container",
    needs: Mapping[str, tuple[tuple[str, str], ...]],
    known: "Samples",
    now_s: float | None,
) -> Row:
    history = known.known.get(one.id)
    share = history.share if history else None
    memory = history.usage.memory_bytes if history else None
    before = ", ".join(name for name, _ in needs.get(one.config["service"], ()))
    cells = (
        Cell(""),
        Cell(f" {sign(one).text} {one.name}"),
        status(one, now_s),
        Cell("" if share is None else percent(share), "dim" if not share else ""),
        Cell(samples.cpu_line(history, _SPARK) if history and history.cpus else "", "accent"),
        Cell("" if memory is None else size_text(memory)),
        Cell(samples.memory_line(history, _SPARK) if history and history.memory else "", "accent"),
        Cell(" ".join(map(ports.short, one.state["ports"]))),
        Cell(before, "dim"),
    )
    values = tuple(cell.text.casefold().strip() for cell in cells)
    numbers = {
        "cpu": share or 0.0,
        "memory": memory or 0,
        "name": one.name,
        "status": (not one.is_live, values[2]),
    }
    return Row(one.id, cells, tuple(numbers.get(column.name, value) for column, value in _paired(values)))


def _paired(values: Sequence[str]) -> Iterable[tuple[Column, str]]:
    return zip(COLUMNS, values, strict=True)


def sign(one: "Container") -> Cell:
    """Return how it is as one letter: what is wrong stands out without colours too."""
    if one.status in {"exited", "dead"}:
        return Cell("✗", "bad") if one.state["exit_code"] or one.status == "dead" else Cell("○", "dim")
    if one.status == "running" and (one.state["health"] or {}).get("status") == "unhealthy":
        return Cell("!", "bad")
    return _SIGNS.get(one.status, Cell("?", "warn"))


def status(one: "Container", now_s: float | None = None) -> Cell:
    """Return how it is, and since when."""
    state = one.state
    if one.status in {"exited", "dead"}:
        since = _since(state["finished"], now_s)
        code = state["exit_code"]
        return Cell(f"{one.status} {0 if code is None else code}, {since}", "bad" if code else "dim")
    if one.status == "running":
        since = _since(state["started"], now_s).removesuffix(" ago")
        checked = health(one)
        further = f", {checked.text}" if checked.text else ""
        return Cell(f"up {since}{further}", checked.style or "good")
    return Cell(one.status, "dim" if one.status == "created" else "warn")


def _since(at_ns: int, now_s: float | None) -> str:
    told = ago(at_ns // _SECOND_NS, now_s)
    return "just now" if told == "now" else told


def health(one: "Container") -> Cell:
    """Return what its health check says, nothing where it has none."""
    word = str((one.state["health"] or {}).get("status", "")) if one.is_live else ""
    return Cell(word, _HEALTH.get(word, ""))


def percent(share: float) -> str:
    """Return a share of one processor."""
    return f"{share * 100:.1f} %"


def summary(found: "Collection[Container]", shown: int) -> str:
    """Return the line under the table."""
    runs = sum(one.is_live for one in found)
    told = count(len(found), "container")
    return f"{f'{shown} of {told}' if shown != len(found) else told}, {runs} running"


def where(group: Group) -> str:
    """Return the path of a group's project."""
    return place(group.spec)
