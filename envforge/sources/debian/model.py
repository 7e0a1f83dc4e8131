"""Data model of Debian's part of spec and lock: the normalised request, and the pins."""

from envforge.values import frozen


@frozen
class RequestedArchive:
    """One further archive of the spec, normalised: components sorted, each once."""

    name: str
    """The host and path of its URI, and the suite: `apt.example.org/debian/bookworm-pgdg`."""
    suite: str
    components: tuple[str, ...]
    uri: str = ""
    """Address, without a slash at its end."""
    key: str = ""
    """The spec's `key`, and `key_source` behind a space; empty for the keys that ship with envforge."""


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
    """The name by which packages refer to it: `bookworm`, `bookworm-security`, …"""
    suite: str
    date: str
    """Date of the index, RFC 3339 in UTC. An older index is refused from then on."""
    fingerprint: str
    """Fingerprint of the signing key."""
    uri: str = ""
    """Empty for Debian's own archives, whose mirrors are configuration."""


@frozen
class LockedPackage:
    """One package of the closure. Everything else that recipes need comes from its archive (`Facts`)."""

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
    """The spec names it; other packages come in as base or as dependencies."""
    base: bool = False
    """It is essential, or an essential package depends on it: configured first, whatever else is there."""
    required: bool = False
    """Its priority is `required`: apt never removes it by itself."""
    needs: tuple[str, ...] = ()
    """Ids of the packages in the closure that satisfy its dependencies, sorted; of alternatives the first."""


@frozen
class Closure:
    """Debian's pins for one environment on one architecture."""

    architecture: str
    archives: tuple[LockedArchive, ...]
    """By name."""
    packages: tuple[LockedPackage, ...]
    """Sorted by name, then architecture."""


def package_id(package: LockedPackage, native: str) -> str:
    """Return a package's id in a closure: its name, and `:ARCHITECTURE` behind it if that is foreign."""
    if package.architecture in {native, "all"}:
        return package.name
    return f"{package.name}:{package.architecture}"
