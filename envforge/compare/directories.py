"""Looks at directories in a confined child: at one as mmdebstrap or debootstrap made it, at a container's."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final

from envforge.errors import SandboxError
from envforge.kernel.reading import ReadTree
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.confined.merged import Merged
from envforge.sandbox.ids import identity as identities
from envforge.sources import registry
from envforge.sources.interface import Package
from envforge.store import listing
from envforge.store.scan import scan

_FIELD_MAX: Final = 300


def packages(directories: Sequence[str], *, every_id: bool = False) -> tuple[Package, ...]:
    """Return the packages that a directory says to have, by the databases in it. Raises SandboxError.

    Several directories, topmost first, are looked at as an overlay shows them; `every_id` as in a View.
    """
    found = _confined(packages_here, list(directories), every_id=every_id)
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


def packages_here(directories: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """Return source, name, version and architecture of each package. Runs in the confined child."""
    with ExitStack() as opened:
        tree = Merged([opened.enter_context(ReadTree(directory)) for directory in directories])
        return [
            (one.source, one.name, one.version, one.architecture)
            for source in registry.LOCKED
            for one in source.installed(tree)
        ]


def entries(directory: str) -> bytes:
    """Return a directory's listing. Reads every file in it. Raises SandboxError, BuildError."""
    text: str = _confined(listing_here, [directory])
    return text.encode("latin-1")


def listing_here(directories: Sequence[str]) -> str:
    """Return the listing of one directory as text of its bytes. Runs in the confined child."""
    return listing.dump(scan(directories[0])).decode("latin-1")


def _confined(
    function: Callable[[Sequence[str]], Any], directories: Sequence[str], *, every_id: bool = False
) -> Any:
    view = View.of(readable=directories, every_id=every_id)
    try:
        return call_confined(identities.detect(), view, function, directories)
    except OSError as error:
        raise SandboxError(
            f"{error.filename or directories[0]} cannot be read: {error.strerror}",
            hint="name a directory of your own; as root also one with files of others",
        ) from error
