"""The Layers screen: the layers of an environment, and the files in them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from envforge.tui.core.files import ADDED, CHANGED, REMOVED, Node
from envforge.tui.core.grid import Cell, Column, Row
from envforge.tui.core.words import bar, short
from envforge.units import size_text

if TYPE_CHECKING:
    from envforge.api.building import Built

COLUMNS: Final = (
    Column("name", "LAYER", 9, most=24, stretch=True),
    Column("size", "SIZE", 7, right=True),
    Column("bar", "", 8, rank=2),
    Column("files", "FILES", 6, right=True, rank=1),
    Column("digest", "DIGEST", 12, rank=3),
)
FILE_COLUMNS: Final = (
    Column("change", "", 1),
    Column("name", "FILE", 20, stretch=True),
    Column("bar", "", 6, rank=3),
    Column("size", "SIZE", 7, right=True),
    Column("mode", "MODE", 4, right=True, rank=4),
    Column("package", "PACKAGE", 16, rank=2),
)
STYLES: Final = {ADDED: "good", CHANGED: "warn", REMOVED: "bad"}
_KINDS: Final = {"l": "link", "c": "device", "b": "device", "p": "fifo", "s": "socket"}


def rows(layers: Sequence["Built"]) -> tuple[Row, ...]:
    """Return a line a layer, the topmost first."""
    largest = max((layer.size_bytes for layer in layers), default=0) or 1
    return tuple(
        Row(
            layer.digest,
            (
                Cell(layer.name, "strong"),
                Cell(size_text(layer.size_bytes)),
                Cell(bar(layer.size_bytes / largest, 8), "accent"),
                Cell(str(layer.files)),
                Cell(short(layer.digest), "dim"),
            ),
            (layer.name, layer.size_bytes, layer.size_bytes, layer.files, layer.digest),
        )
        for layer in layers
    )


def file_row(node: Node, depth: int, *, unfolded: bool, most: int, package: str = "") -> Row:
    """Return the line of a file; `most` is the size of the largest beside it."""
    style = STYLES.get(node.change, "")
    arrow = "  " if not node.children else "▾ " if unfolded else "▸ "
    name = f"{'  ' * depth}{arrow}{node.name}{'/' if node.is_directory else ''}"
    if node.type == "l":
        name += f" → {node.content}"
    share = node.size / most if most else 0
    return Row(
        node.path,
        (
            Cell(node.change, style),
            Cell(name, style or ("strong" if node.is_directory else "")),
            Cell(bar(share, 6), "accent"),
            Cell(_KINDS.get(node.type) or size_text(node.size), "dim" if node.type in _KINDS else ""),
            Cell(f"{node.mode:o}", "dim"),
            Cell(package, "dim"),
        ),
    )


def counts(root: Node) -> str:
    """Return how many files a layer adds, changes and removes."""
    numbers = {ADDED: 0, CHANGED: 0, REMOVED: 0}
    for node in root.walk():
        if node.change and not (node.is_directory and node.change == CHANGED):
            numbers[node.change] += not node.is_directory
    return f"{numbers[ADDED]} added, {numbers[CHANGED]} changed, {numbers[REMOVED]} removed"
