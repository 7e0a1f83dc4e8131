"""The Store screen: space by kind, what keeps it, and what goes when some of that is dropped."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from envforge.tui.core.grid import Cell, Column, Row
from envforge.tui.core.words import NONE, ago, bar, count, short
from envforge.units import duration_text, size_text

if TYPE_CHECKING:
    from envforge.api.proof import Report
    from envforge.api.upkeep import Layer, Marked, Package, Root, Usage

TICK: Final = "tick"
KIND_COLUMNS: Final = (
    Column("kind", "KIND", 12, stretch=True),
    Column("size", "SIZE", 7, right=True),
    Column("bar", "", 10, rank=1),
    Column("inodes", "INODES", 7, right=True, rank=2),
)
LAYER_COLUMNS: Final = (
    Column("name", "LAYER", 8, most=14, stretch=True),
    Column("size", "SIZE", 7, right=True),
    Column("bar", "", 8, rank=1),
    Column("roots", "ROOTS", 5, right=True, rank=2),
    Column("digest", "DIGEST", 12, rank=3),
)
PACKAGE_COLUMNS: Final = (
    Column("name", "PACKAGE", 12, most=30, stretch=True),
    Column("size", "SIZE", 7, right=True),
    Column("bar", "", 8, rank=1),
    Column("roots", "ROOTS", 5, right=True, rank=2),
    Column("archive", "ARCHIVE", 7, right=True, rank=3),
    Column("version", "VERSION", 10, most=20, rank=4),
)
NAME_COLUMNS: Final = (Column("name", "NAME", 14, stretch=True),)
ROOT_COLUMNS: Final = (
    Column(TICK, "KEEP", 4),
    Column("name", "ROOT", 14, most=44, stretch=True),
    Column("own", "OWN", 7, right=True),
    Column("cause", "KEPT BY", 10, most=12, rank=1),
    Column("used", "USED", 10, rank=2),
)


def kind_rows(sizes: Iterable[tuple[str, int, int]]) -> tuple[Row, ...]:
    """Return a line a kind of things: name, bytes, inodes; those that take most first."""
    known = sorted(sizes, key=lambda one: -one[1])
    largest = max((one[1] for one in known), default=0) or 1
    return tuple(
        Row(
            name,
            (
                Cell(name),
                Cell(size_text(size)),
                Cell(bar(size / largest, 10), "accent"),
                Cell(str(inodes), "dim"),
            ),
            (name, size, size, inodes),
        )
        for name, size, inodes in known
    )


def kinds(usage: "Usage") -> list[tuple[str, int, int]]:
    """Return name, bytes and inodes of each kind of things in the store."""
    return [(str(name), tally.size.size_bytes, tally.size.inodes) for name, tally in usage.folders.items()]


def layer_rows(layers: "Sequence[Layer]") -> tuple[Row, ...]:
    """Return a line a layer: its name, its own space, how many roots reach it."""
    largest = max((one.size.size_bytes for one in layers), default=0) or 1
    return tuple(
        Row(
            f"{one.held}/{one.digest}",
            (
                Cell(one.name or NONE, "" if one.roots else "dim"),
                Cell(size_text(one.size.size_bytes)),
                Cell(bar(one.size.size_bytes / largest, 8), "accent"),
                Cell(str(one.roots), "" if one.roots else "warn"),
                Cell(short(one.digest), "dim"),
            ),
            (one.name, one.size.size_bytes, one.size.size_bytes, one.roots, one.digest),
        )
        for one in layers
    )


def package_rows(packages: "Sequence[Package]") -> tuple[Row, ...]:
    """Return a line an unpacked archive: name, space unpacked and packed, how many roots reach it."""
    largest = max((one.size.size_bytes for one in packages), default=0) or 1
    return tuple(
        Row(
            one.sha256,
            (
                Cell(one.name or short(one.sha256), "" if one.roots else "dim"),
                Cell(size_text(one.size.size_bytes)),
                Cell(bar(one.size.size_bytes / largest, 8), "accent"),
                Cell(str(one.roots), "" if one.roots else "warn"),
                Cell(size_text(one.archive.size_bytes), "dim"),
                Cell(one.version, "dim"),
            ),
            (
                one.name,
                one.size.size_bytes,
                one.size.size_bytes,
                one.roots,
                one.archive.size_bytes,
                one.version,
            ),
        )
        for one in packages
    )


def names_for(root: "Root") -> tuple[Row, ...]:
    """Return names that a root's environment could be kept by, as lines to choose from."""
    name = root.name.replace(":", "-").replace("@", "-")
    return tuple(Row(one, (Cell(one, "strong"),)) for one in dict.fromkeys((name, root.environment[:12])))


def can_be_dropped(root: "Root") -> bool:
    """Return whether its tick can be taken away: it is a generation, and nothing says that it has to stay."""
    return root.can_be_dropped and bool(root.spec)


def key(root: "Root") -> str:
    """Return what tells a root from all others."""
    return f"{root.cause}:{root.spec}:{root.name}:{root.environment}"


def root_rows(
    roots: "Sequence[Root]", own: Sequence[int], dropped: Collection[str], now: float | None = None
) -> tuple[Row, ...]:
    """Return a line a root: ticked as long as it keeps its things. `own` is what only it keeps, in bytes."""
    ordered = sorted(zip(roots, own, strict=True), key=lambda pair: _order(pair[0]))
    return tuple(_root_row(root, size, is_dropped=key(root) in dropped, now=now) for root, size in ordered)


def _order(root: "Root") -> tuple[bool, str, str, int]:
    """Return what roots are listed by: an environment's generations together, the newest first."""
    return not root.spec, root.name.rpartition("@")[0].casefold() or root.name, root.spec, -root.number


def _root_row(root: "Root", own: int, *, is_dropped: bool, now: float | None) -> Row:
    tick = "[ ]" if is_dropped else "[x]" if can_be_dropped(root) else " · "
    cause = str(root.cause)
    if root.is_gone:
        cause += ", gone"
    elif root.is_current:
        cause = "current"
    return Row(
        key(root),
        (
            Cell(tick, "warn" if is_dropped else "good" if can_be_dropped(root) else "dim"),
            Cell(root.name, "bad" if is_dropped else "strong"),
            Cell(size_text(own), "" if own else "dim"),
            Cell(cause, "warn" if root.is_gone else "dim"),
            Cell(ago(root.used, now), "dim"),
        ),
        (is_dropped, root.name.casefold(), own, cause, root.used),
    )


def going(marked: "Marked", dropped: Collection["Root"]) -> list[Cell]:
    """Return what a collection would take, as lines of a question."""
    things = marked.freed(dropped)
    size = marked.weigh(things)
    lines = [
        Cell(f"{size_text(size.size_bytes)} in {count(size.inodes, 'inode')} go into the trash:", "strong")
    ]
    lines += [
        Cell(f"  {count(tally.count, str(kind).removesuffix('s'))}, {size_text(tally.size.size_bytes)}")
        for kind, tally in marked.tally(things).items()
    ]
    if dropped:
        lines += [Cell(""), Cell(f"{count(len(dropped), 'root')} dropped:", "strong")]
        lines += [Cell(f"  {root.name}", "bad") for root in dropped]
    lines += [Cell(""), Cell("u brings all of it back for some hours.", "dim")]
    return lines


def freed_text(marked: "Marked", dropped: Collection["Root"]) -> str:
    """Return what is freed now, in a line."""
    size = marked.weigh(marked.freed(dropped))
    what = f"{count(len(dropped), 'root')} un-ticked: " if dropped else ""
    return f"{what}{size_text(size.size_bytes)} would be freed"


def report_lines(report: "Report") -> list[Cell]:
    """Return what a check has found, as lines."""
    counts = report.counts
    lines = [
        Cell(
            f"{count(counts.files, 'file')} in {count(counts.layers, 'layer')} and"
            f" {count(counts.trees, 'tree')}, {count(counts.blobs, 'blob')},"
            f" in {duration_text(report.seconds)}",
            "dim",
        ),
        Cell(""),
    ]
    for one in report.findings:
        where = f" {one.path}" if one.path else ""
        lines.append(
            Cell(f"{one.kind} {one.layer[:12]}{where}: {one.problem}", "dim" if one.is_leftover else "bad")
        )
    lines += [Cell(f"repaired: {one.kind} {one.layer[:12]} {one.path}", "good") for one in report.repaired]
    lines += [Cell(note, "warn") for note in report.notes]
    if not report.findings:
        lines.append(Cell("Everything is as it was made.", "good"))
    elif report.damage:
        lines += [Cell(""), Cell("R makes again what is damaged.", "accent")]
    return lines
