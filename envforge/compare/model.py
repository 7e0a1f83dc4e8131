"""What comparing finds, as plain values: text, JSON and HTML are made of them. Nothing here does I/O."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from envforge.compare.sides import LayerName, Side
from envforge.sources.interface import Package
from envforge.values import field, frozen

Level = Literal["package", "file", "content"]
LEVELS: Final[tuple[Level, ...]] = ("package", "file", "content")
Kind = Literal["added", "removed", "changed"]
KINDS: Final[tuple[Kind, ...]] = ("added", "removed", "changed")


@frozen
class PackageChange:
    """A package that is new, gone, or another one."""

    old: Package | None
    new: Package | None

    @property
    def kind(self) -> Kind:
        """Return what became of it."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"

    @property
    def package(self) -> Package:
        """Return the package as it is now, or as it was if it is gone."""
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def asked(self) -> bool:
        """Return whether a spec names it, on one of the sides at least."""
        return any(one is not None and one.asked for one in (self.old, self.new))

    @property
    def size_delta(self) -> int:
        """Return by how many bytes the archive has grown."""
        return (self.new.size if self.new else 0) - (self.old.size if self.old else 0)


@frozen
class RuntimeChange:
    """A value of `[variables]`, `[shell]`, `[[mounts]]` or `[network]` that differs."""

    key: str
    """`variables.APP_ENV`."""
    old: object | None
    new: object | None


class FileChange(NamedTuple):
    """A path that is new, gone, or has other content or metadata. There may be tens of thousands."""

    path: bytes
    old_line: bytes | None
    """Its line in a listing; None where that side has no such path."""
    new_line: bytes | None
    causes: tuple[str, ...] = ()
    """For a path that both sides have: `type`, `content`, `target`, `device`, `mode`, `owner`, `attributes`,
    `links`, `time`."""
    package: str = ""
    """Who owns it: a package, or `+` between several; empty for what configuring or the project wrote."""
    layer: str = ""
    """Name of the layer that shows it, on the newer side if that has it."""
    source: str = ""

    @property
    def line(self) -> bytes:
        """Return its line on the newer side, or on the older one if it is gone."""
        found = self.old_line if self.new_line is None else self.new_line
        assert found is not None
        return found

    @property
    def kind(self) -> Kind:
        """Return what became of it."""
        if self.old_line is None:
            return "added"
        return "removed" if self.new_line is None else "changed"

    @property
    def only_time(self) -> bool:
        """Return whether nothing but the time differs."""
        return self.causes == ("time",)

    @property
    def size_delta(self) -> int:
        """Return by how many bytes the file has grown."""
        return _size(self.new_line) - _size(self.old_line)


class Fields(NamedTuple):
    """The fields of a listing's line as they are written: for showing, parsing them costs too much."""

    type: str
    mode: str
    uid: str
    gid: str
    mtime: str
    size: str
    """`-` for what has no size, `major:minor` for devices."""
    content: str
    link: str
    xattrs: str
    path: str

    @classmethod
    def of(cls, line: bytes) -> "Fields":
        """Return the fields of a line; paths and targets are still escaped as in the listing."""
        return cls(*line.decode("ascii").split(" "))


def _size(line: bytes | None) -> int:
    size = line.split(b" ", 6)[5] if line is not None else b""
    return int(size) if size.isdigit() else 0


@frozen
class Content:
    """How the bytes of one changed file differ."""

    path: bytes
    form: str
    """`text`, `passwd lines`, `paragraphs`, `binary`, or the kind of file: `gzip archive`, `bytecode`."""
    lines: tuple[str, ...] = field(repr=False)
    """As in a unified diff: each begins with ` `, `-`, `+`, `@` or, for remarks, `#`."""
    cut: bool = False
    """There is more than is shown."""


@frozen
class Comparison:
    """All that differs between two sides, as far as the level asks for it."""

    a: Side
    b: Side
    level: Level
    packages: tuple[PackageChange, ...] | None
    """None where one side's packages are not known."""
    runtime: tuple[RuntimeChange, ...] = ()
    files: tuple[FileChange, ...] | None = None
    """Without those of which only the time differs, unless these were asked for."""
    only_times: int = 0
    """How many of these are left out."""
    contents: tuple[Content, ...] | None = None
    contents_left_out: int = 0
    """Files beyond what one comparison reads."""
    size_bytes_delta: int | None = None
    """Of the files of both sides; None where it is not known."""
    notes: tuple[str, ...] = ()

    @property
    def shared(self) -> tuple[LayerName, ...]:
        """Return the layers that both sides have."""
        there = {layer.digest for layer in self.a.layers}
        return tuple(layer for layer in self.b.layers if layer.digest in there)

    @property
    def layers_removed(self) -> tuple[LayerName, ...]:
        """Return the layers that only the older side has."""
        there = {layer.digest for layer in self.b.layers}
        return tuple(layer for layer in self.a.layers if layer.digest not in there)

    @property
    def layers_added(self) -> tuple[LayerName, ...]:
        """Return the layers that only the newer side has."""
        there = {layer.digest for layer in self.a.layers}
        return tuple(layer for layer in self.b.layers if layer.digest not in there)

    @property
    def differs(self) -> bool:
        """Return whether anything differs."""
        found = (self.packages, self.runtime, self.files, self.only_times)
        return any(found) or [one.digest for one in self.a.layers] != [one.digest for one in self.b.layers]


def whole_packages(found: Comparison) -> dict[str, Kind]:
    """Return the packages that are new or gone as a whole, and which of the two."""
    return {one.package.name: one.kind for one in found.packages or () if one.kind != "changed"}


def counts(changes: Mapping[Kind, int]) -> str:
    """Return numbers of changes for people: `2 added, 1 removed`."""
    return ", ".join(f"{changes[kind]:,} {kind}" for kind in KINDS if changes.get(kind)) or "none differ"
