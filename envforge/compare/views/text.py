"""A comparison as lines for a terminal: text and colour of each. Pure; prints nothing.

Names and contents are other people's: every line goes through `units.printable` here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from envforge.compare.model import (
    KINDS,
    Comparison,
    Content,
    Fields,
    FileChange,
    Kind,
    PackageChange,
    counts,
    whole_packages,
)
from envforge.compare.sides import UPPER, Side
from envforge.units import printable, size_text

Line = tuple[str, str]
"""Text, and the name of its colour, empty for none."""

SIGNS: Final[Mapping[Kind, str]] = {"added": "+", "removed": "-", "changed": "~"}
_COLOURS: Final[Mapping[Kind, str]] = {"added": "green", "removed": "red", "changed": "yellow"}
_DIFF_COLOURS: Final = {"+": "green", "-": "red", "@": "cyan", "#": "dim", "\\": "dim"}
_TOGETHER_MIN: Final = 10
"""So many files of a package that is new or gone are one line."""
_SHOWN_DIGITS: Final = 12
_BAR: Final = 20
_NAME_WIDTH: Final = 20
_VERSION_WIDTH: Final = 34
"""Columns are no wider, so that most lines have room in 80 columns."""


def lines(found: Comparison, *, every: bool = False) -> Iterator[Line]:
    """Yield a comparison for people; with `every` also each file of packages that are new or gone."""
    for line, colour in _lines(found, every=every):
        yield printable(line), colour


def _lines(found: Comparison, *, every: bool) -> Iterator[Line]:
    yield from (_heading(side, sign) for side, sign in ((found.a, "---"), (found.b, "+++")))
    for title, asked in (("asked for", True), ("came along", False)):
        changes = [one for one in found.packages or () if one.asked is asked]
        yield from _section(title, _package_lines(changes))
    yield from _section("run differently", [_runtime(one.key, one.old, one.new) for one in found.runtime])
    yield from _section("layers", list(_layer_lines(found)))
    if found.files:
        yield from _section("files", list(_file_lines(found, every=every)))
    for content in found.contents or ():
        yield from _content_lines(content)
    yield "", ""
    yield from ((f"note: {note}", "dim") for note in found.notes)
    yield from ((line, "dim") for line in _remarks(found, every=every))
    yield from ((part, "bold") for part in _sums(found))


def _heading(side: Side, sign: str) -> Line:
    digest = f"  sha256:{side.environment[:_SHOWN_DIGITS]}" if side.environment else ""
    return f"{sign} {side.title}{digest}", "bold"


def _section(title: str, content: Sequence[Line]) -> Iterator[Line]:
    if content:
        yield "", ""
        yield title, "bold"
        yield from ((f"  {line}", colour) for line, colour in content)


def _package_lines(changes: Sequence[PackageChange]) -> list[Line]:
    rows = [(one.kind, one.package.name, versions(one), one.package.source, size_of(one)) for one in changes]
    name_width = min(max((len(row[1]) for row in rows), default=0), _NAME_WIDTH)
    version_width = min(max((len(row[2]) for row in rows), default=0), _VERSION_WIDTH)
    return [
        (
            f"{SIGNS[kind]} {name:<{name_width}}  {versions:<{version_width}}  {source}  {size}".rstrip(),
            _COLOURS[kind],
        )
        for kind, name, versions, source, size in rows
    ]


def versions(change: PackageChange) -> str:
    """Return a package's version, or both, or what else differs."""
    old, new = change.old, change.new
    if old is None or new is None:
        return change.package.version
    if old.version != new.version:
        return f"{old.version} -> {new.version}"
    if old.sha256 != new.sha256:
        return f"{new.version}, other bytes"
    return f"{new.version}, {'asked for now' if new.asked else 'no longer asked for'}"


def size_of(change: PackageChange) -> str:
    """Return the size of a package's archive, or by how much it has grown; empty where it is not known."""
    if change.kind == "changed":
        known = all(one is not None and one.sha256 for one in (change.old, change.new))
        return signed(change.size_delta) if known and change.size_delta else ""
    return size_text(change.package.size) if change.package.size else ""


def signed(size_bytes: int) -> str:
    """Return a difference of sizes with its sign."""
    return f"{'-' if size_bytes < 0 else '+'}{size_text(abs(size_bytes))}"


def _runtime(key: str, old: object, new: object) -> Line:
    kind: Kind = "added" if old is None else "removed" if new is None else "changed"
    shown = " -> ".join(value(one) for one in (old, new) if one is not None)
    return f"{SIGNS[kind]} {key} = {shown}", _COLOURS[kind]


def value(of: object) -> str:
    """Return a value of the spec as it would stand there."""
    if isinstance(of, bool):
        return "true" if of else "false"
    return f'"{of}"' if isinstance(of, str) else str(of)


def _layer_lines(found: Comparison) -> Iterator[Line]:
    shared = found.shared
    both = [("removed", layer) for layer in found.layers_removed]
    both += [("added", layer) for layer in found.layers_added]
    if not both:
        return
    width = max(len(layer.name) for layer in (*shared, *(layer for _, layer in both)))
    for layer in shared:
        yield f"  {layer.name:<{width}}  sha256:{layer.digest[:_SHOWN_DIGITS]}  shared", ""
    for kind in KINDS:
        for of, layer in both:
            if of == kind:
                line = f"{SIGNS[kind]} {layer.name:<{width}}  sha256:{layer.digest[:_SHOWN_DIGITS]}"
                yield line, _COLOURS[kind]


def owner_of(change: FileChange) -> str:
    """Return whom a file is shown under: its package, else its layer."""
    if change.package:
        return change.package
    layer = change.layer if change.layer != UPPER else ""
    return f"of no package, in the layer {layer}" if layer else "of no package"


def by_owner(changes: Iterable[FileChange]) -> list[tuple[str, list[FileChange]]]:
    """Return files by who owns them, packages first."""
    ordered = sorted(changes, key=lambda one: (not one.package, owner_of(one), one.path))
    return [(owner, list(found)) for owner, found in groupby(ordered, owner_of)]


def _file_lines(found: Comparison, *, every: bool) -> Iterator[Line]:
    whole = whole_packages(found)
    for owner, changes in by_owner(found.files or ()):
        kinds = {one.kind for one in changes}
        if not every and owner in whole and kinds == {whole[owner]} and len(changes) >= _TOGETHER_MIN:
            kind = whole[owner]
            size = size_text(abs(sum(one.size_delta for one in changes)))
            yield f"{SIGNS[kind]} {owner}: all of its {len(changes):,} paths, {size}", _COLOURS[kind]
            continue
        yield owner, "bold"
        for one in changes:
            yield f"  {SIGNS[one.kind]} {_shown(one.path)}{detail(one)}", _COLOURS[one.kind]


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def detail(change: FileChange) -> str:
    """Return what is said behind a path: its size or target, or what differs."""
    if change.kind == "changed":
        return f"  {', '.join(_causes(change))}"
    now = Fields.of(change.line)
    if now.type == "l":
        return f" -> {_target(now)}"
    return f"  {size_text(int(now.size))}" if now.size.isdigit() else "/" if now.type in "do" else ""


def _causes(change: FileChange) -> Iterator[str]:
    """Yield the causes of a change, with both values where these are short."""
    assert change.old_line is not None
    old, new = Fields.of(change.old_line), Fields.of(change.line)
    for cause in change.causes:
        match cause:
            case "mode":
                yield f"mode {old.mode} -> {new.mode}"
            case "owner":
                yield f"owner {old.uid}:{old.gid} -> {new.uid}:{new.gid}"
            case "target":
                yield f"target {_target(old)} -> {_target(new)}"
            case "type":
                yield f"type {_TYPES.get(old.type, old.type)} -> {_TYPES.get(new.type, new.type)}"
            case "content" if old.size != new.size:
                yield f"content ({signed(change.size_delta)})"
            case _:
                yield cause


def _target(fields: Fields) -> str:
    from envforge.store import listing  # noqa: PLC0415 - packages alone need none

    return _shown(listing.unescape(fields.content.encode()))


_TYPES: Final = {
    "d": "directory", "o": "directory", "f": "file", "l": "link", "c": "device", "b": "device", "p": "fifo",
    "s": "socket", "w": "whiteout",
}  # fmt: skip


def _content_lines(content: Content) -> Iterator[Line]:
    yield "", ""
    yield f"{_shown(content.path)}  ({content.form})", "bold"
    for line in content.lines:
        yield line, _DIFF_COLOURS.get(line[:1], "")
    if content.cut:
        yield "# … and more", "dim"


def _remarks(found: Comparison, *, every: bool) -> Iterator[str]:
    if found.only_times:
        yield f"{_more_files(found.only_times)}: nothing but the time differs; --times shows them"
    if found.contents_left_out:
        yield f"{_more_files(found.contents_left_out)}: the contents are not compared"
    if (
        not every
        and found.files
        and any(": all of its " in line for line, _ in _file_lines(found, every=False))
    ):
        yield "files of packages that are new or gone are counted only; --all lists them"


def _more_files(count: int) -> str:
    return f"{count:,} more {'file' if count == 1 else 'files'}"


def summary(found: Comparison) -> str:
    """Return a comparison in one line."""
    return "; ".join(_sums(found))


def _sums(found: Comparison) -> list[str]:
    if not found.differs:
        return ["nothing differs"]
    parts = []
    for what, changes in (("packages", found.packages), ("files", found.files)):
        if changes is not None:
            parts.append(f"{what}: {counts(count_kinds(changes))}")
    if found.a.layers and found.b.layers:
        parts.append(f"layers: {len(found.shared)} of {len(found.b.layers)} shared")
    if found.size_bytes_delta:
        parts.append(f"size: {signed(found.size_bytes_delta)}")
    return parts


def count_kinds(changes: Iterable[PackageChange] | Iterable[FileChange]) -> dict[Kind, int]:
    """Return how many there are of each kind."""
    found: dict[Kind, int] = dict.fromkeys(KINDS, 0)
    for one in changes:
        found[one.kind] += 1
    return found


def stat(found: Comparison) -> Iterator[Line]:
    """Yield one line for each owner of files that differ, as `git diff --stat` does for files."""
    groups = by_owner(found.files or ())
    width = max((min(len(owner), 40) for owner, _ in groups), default=0)
    most = max((len(changes) for _, changes in groups), default=1)
    for owner, changes in groups:
        kinds = count_kinds(changes)
        bar = "".join(
            SIGNS[kind] * (max(kinds[kind] * _BAR // most, 1) if kinds[kind] else 0) for kind in KINDS
        )
        yield printable(f" {owner[:40]:<{width}} | {len(changes):>6,} {bar}"), ""
    yield from ((printable(line), "dim") for line in _remarks(found, every=True))
    yield from ((part, "bold") for part in _sums(found))
