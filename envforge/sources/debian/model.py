"""What a spec asks of Debian, and what a lock pins of it, as data."""

from attrs import frozen


@frozen
class RequestedArchive:
    """One archive that the spec asks for, normalised: suites and components sorted as written."""

    name: str
    """`debian` for the suite's own, else the host and path of its URI."""
    suite: str
    components: tuple[str, ...]
    uri: str = ""
    """Empty for the suite's own archive: its mirrors are configuration."""
    key: str = ""
    """What the spec says of the key: empty for the keys that ship with envforge."""


@frozen
class Request:
    """The part of a spec that resolving depends on, normalised, so that staleness can name what differs."""

    suite: str
    pockets: tuple[str, ...]
    components: tuple[str, ...]
    packages: tuple[str, ...]
    """As written (`nodejs=18.*`), sorted, each once."""
    recommends: bool = False
    archives: tuple[RequestedArchive, ...] = ()


@frozen
class LockedArchive:
    """One index that packages were chosen from."""

    name: str
    """What packages name it by: `bookworm`, `bookworm-security`, …"""
    suite: str
    date: str
    """Date of the index, RFC 3339 in UTC. An older one is refused afterwards."""
    fingerprint: str
    """The signing key's."""
    uri: str = ""
    """Empty for Debian's own archives, whose mirrors are configuration."""


@frozen
class LockedPackage:
    """One package of the closure."""

    name: str
    version: str
    architecture: str
    archive: str
    """A `LockedArchive`'s name."""
    path: str
    """Relative to the archive's URI."""
    size: int
    """Bytes of the archive file."""
    sha256: str
    asked: bool = False
    """The spec names it; the others came along."""
    essential: bool = False
    priority: str = "optional"
    multi_arch: str = "no"
    relations: tuple[tuple[str, str], ...] = ()
    """Field (`Depends`, `Provides`, …) and its text, as far as resolving again needs them; sorted."""


@frozen
class Outputs:
    """What building gave: written by `build`, checked by `--locked` and `ci`."""

    environment: str
    """The environment's digest, 64 hex digits."""
    layers: tuple[tuple[str, str], ...]
    """Name and digest, top to bottom."""


@frozen
class ArchitectureLock:
    """The closure for one architecture."""

    architecture: str
    archives: tuple[LockedArchive, ...]
    packages: tuple[LockedPackage, ...]
    """Sorted by name, then architecture."""
    outputs: Outputs | None = None
