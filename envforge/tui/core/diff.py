"""The Diff screen: what differs between two environments, as tables of packages and files, and as lines."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from envforge.tui.core.grid import Cell, Column, Row
from envforge.tui.core.words import NONE, change, count

if TYPE_CHECKING:
    from envforge.api.comparing import Comparison, Content, FileChange, PackageChange

PACKAGE_COLUMNS: Final = (
    Column("kind", "", 1),
    Column("name", "PACKAGE", 14, most=40, stretch=True),
    Column("old", "WAS", 8, most=24, rank=1),
    Column("new", "IS", 8, most=24),
    Column("size", "FETCHED", 8, right=True, rank=2),
    Column("asked", "ASKED", 5, rank=3),
    Column("source", "SOURCE", 6, most=10, rank=4),
)
FILE_COLUMNS: Final = (
    Column("kind", "", 1),
    Column("path", "FILE", 24, stretch=True, keep_end=True),
    Column("size", "SIZE", 9, right=True),
    Column("what", "WHAT", 8, most=16, rank=1),
    Column("package", "PACKAGE", 10, most=20, rank=2),
    Column("layer", "LAYER", 8, most=12, rank=3),
)
SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
STYLES: Final = {"added": "good", "removed": "bad", "changed": "warn"}
_LINE_STYLES: Final = {"+": "good", "-": "bad", "@": "accent", "#": "dim"}


def package_rows(changes: "Sequence[PackageChange]") -> tuple[Row, ...]:
    """Return a line a package, those that were asked for first."""
    ordered = sorted(changes, key=lambda one: (not one.asked, one.package.name))
    return tuple(_package_row(one) for one in ordered)


def _package_row(one: "PackageChange") -> Row:
    style = STYLES[one.kind]
    old, new = (side.version if side is not None else NONE for side in (one.old, one.new))
    package = one.package
    return Row(
        f"{package.source}:{package.name}:{package.architecture}",
        (
            Cell(SIGNS[one.kind], style),
            Cell(package.name, style),
            Cell(old, "dim"),
            Cell(new),
            Cell(change(one.size_delta)),
            Cell("asked" if one.asked else "", "good"),
            Cell(package.source, "dim"),
        ),
        (one.kind, package.name, old, new, one.size_delta, not one.asked, package.source),
    )


def package_lines(changes: "Sequence[PackageChange]", most: int) -> list[Cell]:
    """Return how many packages differ, and the first of them, as lines: those that were asked for first."""
    ordered = sorted(changes, key=lambda one: (not one.asked, one.package.name))
    lines = [Cell(f"Packages: {counted([one.kind for one in changes])}", "strong")]
    for one in ordered[:most]:
        versions = " → ".join(side.version for side in (one.old, one.new) if side is not None)
        lines.append(Cell(f"  {SIGNS[one.kind]} {one.package.name} {versions}", STYLES[one.kind]))
    if len(ordered) > most:
        lines.append(Cell(f"  and {len(ordered) - most} more", "dim"))
    return lines


def file_rows(changes: "Sequence[FileChange]") -> tuple[Row, ...]:
    """Return a line a file, by path."""
    return tuple(_file_row(one) for one in changes)


def _file_row(one: "FileChange") -> Row:
    style = STYLES[one.kind]
    path = os.fsdecode(one.path)
    what = ", ".join(one.causes)
    return Row(
        path,
        (
            Cell(SIGNS[one.kind], style),
            Cell(path, style),
            Cell(change(one.size_delta)),
            Cell(what, "dim"),
            Cell(one.package),
            Cell(one.layer, "dim"),
        ),
        (one.kind, path, one.size_delta, what, one.package, one.layer),
    )


def content_lines(content: "Content | None", kind: str = "changed") -> list[Cell]:
    """Return how a file's bytes differ, as coloured lines."""
    if content is None and kind != "changed":
        return [Cell(f"The file was {kind} as a whole: there is nothing to compare it with.", "dim")]
    if content is None:
        return [Cell("Its content does not differ, or is not compared.", "dim")]
    lines = [Cell(content.form, "dim"), Cell("")]
    lines += [Cell(line, _LINE_STYLES.get(line[:1], "")) for line in content.lines]
    if content.cut:
        lines.append(Cell("…", "dim"))
    return lines


def summary(found: "Comparison") -> list[Cell]:
    """Return what is told while no file is looked at: layers, variables, notes."""
    lines = [
        Cell(f"{count(len(found.shared), 'layer')} shared", "dim"),
        *(Cell(f"- layer {layer.name} {layer.digest[:12]}", "bad") for layer in found.layers_removed),
        *(Cell(f"+ layer {layer.name} {layer.digest[:12]}", "good") for layer in found.layers_added),
    ]
    for one in found.runtime:
        lines += [
            Cell(f"- {one.key} = {one.old}", "bad") if one.old is not None else Cell(""),
            Cell(f"+ {one.key} = {one.new}", "good") if one.new is not None else Cell(""),
        ]
    lines += [Cell(note, "dim") for note in found.notes]
    return [line for line in lines if line.text]


def counted(kinds: Sequence[str]) -> str:
    """Return how many are added, removed and changed."""
    numbers = {kind: sum(one == kind for one in kinds) for kind in SIGNS}
    return ", ".join(f"{number} {kind}" for kind, number in numbers.items() if number) or "nothing differs"
