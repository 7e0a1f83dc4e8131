"""Where a project's spec and its store are. Reads no spec: most commands need no more of one."""

import os

from envforge import config, trust
from envforge.environment.projects import ownership
from envforge.errors import SpecError
from envforge.spec.names import DEFAULT
from envforge.trust import SPEC_NAME
from envforge.values import frozen


@frozen
class Location:
    """Where a project's files are. Nothing is read, so a broken spec does not stand in the way."""

    spec_path: str
    """Real path of the spec, which may be gone."""
    store_path: str
    environment: str


def locate(file: str | None, store: str | None, environment: str | None = None) -> Location:
    """Return where the project of `file`, or of the nearest spec upward, is.

    Raises OwnerError where others can write the spec, SpecError where there is none, ConfigError.
    """
    found = named(file)
    ownership.check(found)
    return Location(os.path.realpath(found), config.store_path(store, config.load()), environment or DEFAULT)


def named(file: str | None) -> str:
    """Return the path of the named or the nearest spec, links not followed. Raises SpecError, OwnerError."""
    if file is not None:
        return os.path.abspath(file)
    found = find(os.getcwd())
    check_is_here(found)
    return found


def check_is_here(found: str) -> None:
    """Raise SpecError if a spec that was searched for is a link into another directory.

    Code in a sandbox may have planted it. Raises OwnerError if another user has.
    """
    if trust.leads_away(found):
        ownership.check(found)  # a link that somebody else planted is the graver error
        import shlex  # noqa: PLC0415 - only after a mistake

        real = os.path.realpath(found)
        raise SpecError(
            f"{found} is a link to {real}, the spec of another directory",
            hint=f"name the one that you mean: envforge --file {shlex.quote(real)}",
        )


def find(directory: str) -> str:
    """Return the path of the nearest spec, in `directory` or above it. Raises SpecError if there is none."""
    start = os.path.abspath(directory)
    found = trust.find(start)
    if found is None:
        raise SpecError(
            f"{start}: no {SPEC_NAME} here or in a directory above (the search stops below your home, and at "
            "the file system's border)",
            hint="envforge init",
        )
    return found
