"""Lists a plain directory, as a tree that mmdebstrap or debootstrap made, in a confined child."""

from collections.abc import Callable
from typing import Any, Final

from envforge.errors import SandboxError
from envforge.kernel.tree import Tree
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids import identity as identities
from envforge.sources import registry
from envforge.sources.interface import Package
from envforge.store import listing
from envforge.store.scan import scan

_FIELD_MAX: Final = 300


def packages(directory: str) -> tuple[Package, ...]:
    """Return the packages that a directory says to have, by the databases in it. Raises SandboxError."""
    found = _confined(packages_here, directory)
    return tuple(
        Package(
            source[:_FIELD_MAX],
            name[:_FIELD_MAX],
            version[:_FIELD_MAX],
            architecture[:_FIELD_MAX],
            sha256="",
            size=0,
            asked=False,
        )
        for source, name, version, architecture in (map(str, one) for one in found)
    )


def packages_here(directory: str) -> list[tuple[str, str, str, str]]:
    """Return source, name, version and architecture of each package. Runs in the confined child."""
    with Tree(directory) as tree:
        return [
            (one.source, one.name, one.version, one.architecture)
            for source in registry.LOCKED
            for one in source.installed(tree)
        ]


def entries(directory: str) -> bytes:
    """Return a directory's listing. Reads every file in it. Raises SandboxError, BuildError."""
    text: str = _confined(listing_here, directory)
    return text.encode("latin-1")


def listing_here(directory: str) -> str:
    """Return the listing as text of its bytes. Runs in the confined child."""
    return listing.dump(scan(directory)).decode("latin-1")


def _confined(function: Callable[[str], Any], directory: str) -> Any:
    try:
        return call_confined(identities.detect(), View.of(readable=[directory]), function, directory)
    except OSError as error:
        raise SandboxError(
            f"{error.filename or directory} cannot be read: {error.strerror}",
            hint="name a directory of your own; as root also one with files of others",
        ) from error
