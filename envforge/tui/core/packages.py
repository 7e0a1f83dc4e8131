"""The Packages screen: what an environment is made of, and why each package is there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from envforge.tui.core.grid import Cell, Column, Row
from envforge.tui.core.words import NONE
from envforge.units import size_text

if TYPE_CHECKING:
    from envforge.api.comparing import Why
    from envforge.api.inspecting import Package

_CHAINS_MAX: Final = 6
COLUMNS: Final = (
    Column("name", "PACKAGE", 16, most=40, stretch=True),
    Column("version", "VERSION", 12, most=28, rank=1),
    Column("size", "FETCHED", 7, right=True),
    Column("asked", "ASKED FOR", 9),
    Column("needs", "NEEDS", 5, right=True, rank=3),
    Column("source", "SOURCE", 6, most=10, rank=4),
)


def rows(packages: Sequence["Package"]) -> tuple[Row, ...]:
    """Return a line a package, those that were asked for first."""
    ordered = sorted(packages, key=lambda package: (not package.asked, package.name))
    return tuple(
        Row(
            key(package),
            (
                Cell(package.name, "strong" if package.asked else ""),
                Cell(package.version),
                Cell(size_text(package.size)),
                Cell("asked for" if package.asked else "", "good"),
                Cell(str(len(package.needs)), "dim"),
                Cell(package.source, "dim"),
            ),
            (
                package.name,
                package.version,
                package.size,
                not package.asked,
                len(package.needs),
                package.source,
            ),
        )
        for package in ordered
    )


def key(package: "Package") -> str:
    """Return what tells a package from all others of its environment."""
    return f"{package.source}:{package.name}:{package.architecture}"


def told(packages: Sequence["Package"], package: "Package", why: "Why") -> list[tuple[str, Cell]]:
    """Return what the panel says of a package: its version and size, why it is there, what needs it."""
    same = [one for one in packages if one.source == package.source]
    lines = [
        ("version", Cell(package.version, "strong")),
        ("from", Cell(f"{package.source}, {package.architecture}")),
        ("fetched", Cell(size_text(package.size))),
        ("sha256", Cell(package.sha256[:16], "dim")),
    ]
    if package.asked:
        lines.append(("why", Cell("the spec asks for it", "good")))
    elif why.base:
        lines.append(("why", Cell("every system has it")))
    chains = () if package.asked else why.base_chains if why.base else why.chains
    for chain in chains[:_CHAINS_MAX]:
        has_name = lines[-1][0] in ("why", "")
        lines.append(("" if has_name else "why", Cell(" → ".join(one.name for one in chain), "accent")))
    if len(chains) > _CHAINS_MAX:
        lines.append(("", Cell(f"and {len(chains) - _CHAINS_MAX} more ways", "dim")))
    users = sorted({one.name for one in same if package.name in one.needs})
    lines.append(("needed by", Cell(", ".join(users) or NONE)))
    lines.append(("needs", Cell(", ".join(package.needs) or NONE)))
    return lines


def summary(packages: Sequence["Package"], shown: int) -> str:
    """Return the line under the table."""
    asked = sum(package.asked for package in packages)
    size = size_text(sum(package.size for package in packages))
    number = f"{shown} of {len(packages)}" if shown != len(packages) else str(len(packages))
    return f"{number} package{'' if number == '1' else 's'}, {asked} asked for, {size} fetched"
