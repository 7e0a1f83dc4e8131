"""What a spec asks of Debian, and what a lock pins of it, as data."""

from attrs import frozen


@frozen
class RequestedArchive:
    """One archive that the spec asks for, normalised: suites and components sorted as written."""

    name: str
    """The host and path of its URI, and the suite: `apt.example.org/debian/bookworm-pgdg`."""
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
    """One package of the closure. What else recipes must know of it, its archive says."""

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
    base: bool = False
    """It is essential, or an essential package needs it: configured first, whatever else is there."""
    required: bool = False
    """Its priority is `required`: apt never removes it by itself."""
    needs: tuple[str, ...] = ()
    """Ids of packages of the closure that satisfy what it depends on, sorted: the first of alternatives."""


@frozen
class Closure:
    """What is pinned for one environment on one architecture."""

    architecture: str
    archives: tuple[LockedArchive, ...]
    """By name."""
    packages: tuple[LockedPackage, ...]
    """Sorted by name, then architecture."""


def package_id(package: LockedPackage, native: str) -> str:
    """Return the name that a package has in a set: with `:arch` where it is a foreign one."""
    if package.architecture in {native, "all"}:
        return package.name
    return f"{package.name}:{package.architecture}"
