"""What a check of the store finds, as plain values."""

from enum import StrEnum

from attrs import field, frozen


class Kind(StrEnum):
    """What a finding is about."""

    STORE = "store"
    LAYER = "layer"
    TREE = "tree"
    FACTS = "facts"
    BLOB = "blob"
    RECORD = "record"
    ENVIRONMENT = "environment"
    GENERATION = "generation"
    PIN = "pin"
    TOOL = "tool"
    STAGING = "staging"
    PARTIAL = "partial"


@frozen
class Finding:
    """One thing that is not as it must be."""

    kind: Kind
    layer: str
    """Name of the layer, tree, blob, record, environment: a SHA-256; of a generation its spec."""
    path: str = ""
    """Path inside a layer or tree, if it is about one."""
    problem: str = ""
    """One word for a path: `missing`, `new`, `type`, `size`, `content`, `mode`, `owner`, `time`,
    `attributes`, `unreadable`, `listing`, `facts`; else a sentence without its subject."""
    held: str = ""
    """The ownership mode of a layer or tree."""
    is_leftover: bool = field(default=False, kw_only=True)
    """Takes space and does no harm: nothing that anybody relies on is damaged."""


@frozen
class Counts:
    """How much was checked."""

    trees: int = 0
    layers: int = 0
    files: int = 0
    """Paths in trees and layers, directories too."""
    blobs: int = 0
    read_bytes: int = 0
    """Bytes that were read and hashed."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.trees + other.trees,
            self.layers + other.layers,
            self.files + other.files,
            self.blobs + other.blobs,
            self.read_bytes + other.read_bytes,
        )


@frozen
class Report:
    """The result of a check."""

    counts: Counts
    findings: tuple[Finding, ...]
    """What is still wrong."""
    repaired: tuple[Finding, ...] = ()
    """What was wrong and is not any more."""
    notes: tuple[str, ...] = ()
    """What could not be checked, and what a repair could not do, with the reason."""
    seconds: float = 0

    @property
    def damage(self) -> tuple[Finding, ...]:
        """Return the findings that are no mere leftovers."""
        return tuple(one for one in self.findings if not one.is_leftover)
