"""What the TUI keeps between two runs: last screen, sorting, filters, cursor. A broken file is no failure."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import asdict, define, field

FORMAT: Final = 1


@define
class TableMemory:
    """What is kept of one table."""

    sort: str = ""
    descending: bool = False
    filter: str = ""
    cursor: str = ""


@define
class Memory:
    """All that is kept."""

    screen: str = "environments"
    theme: str = ""
    subject: str = ""
    """The key of the chosen environment."""
    alone: bool = False
    """The file tree shows one layer, not all."""
    tables: dict[str, TableMemory] = field(factory=dict)

    def table(self, name: str) -> TableMemory:
        """Return what is kept of a table, for changing too."""
        return self.tables.setdefault(name, TableMemory())


def to_document(memory: Memory) -> dict[str, Any]:
    """Return what is kept as JSON values."""
    return {"format": FORMAT, **asdict(memory)}


def from_document(document: Mapping[str, Any] | None) -> Memory:
    """Return what a document keeps; what is missing or of another kind is as at the first start."""
    memory = Memory()
    if not document or document.get("format") != FORMAT:
        return memory
    for name in ("screen", "theme", "subject", "alone"):
        value = document.get(name)
        if isinstance(value, type(getattr(memory, name))):
            setattr(memory, name, value)
    tables = document.get("tables")
    for name, values in tables.items() if isinstance(tables, dict) else ():
        if isinstance(values, dict):
            memory.tables[str(name)] = _table(values)
    return memory


def _table(values: Mapping[str, Any]) -> TableMemory:
    table = TableMemory()
    for name in ("sort", "descending", "filter", "cursor"):
        value = values.get(name)
        if isinstance(value, type(getattr(table, name))):
            setattr(table, name, value)
    return table
