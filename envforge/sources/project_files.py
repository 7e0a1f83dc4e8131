"""Opens files that a spec names: beneath the project's directory, or outside with the user's consent.

Code in a sandbox can write the project and swap a path for a link. openat2(2) with RESOLVE_BENEATH keeps
every lookup in the project, without a race between check and use.
"""

import errno
import os

from envforge.build.site import ProjectFiles
from envforge.errors import SpecError
from envforge.sandbox import binds


def open_source(project: ProjectFiles, source: str) -> int:
    """Return an O_PATH descriptor of the file that a spec names; the caller closes it. Raises OSError."""
    path = os.path.normpath(os.path.join(project.directory, source))
    if path in project.allowed:
        return binds.open_exactly(project.allowed[path])
    return binds.open_beneath(project.directory, path)


def reopened(place: int, flags: int = 0) -> int:
    """Return a descriptor to read what an O_PATH one stands for. Raises OSError with the file's own path."""
    magic = f"/proc/self/fd/{place}"
    try:
        return os.open(magic, os.O_RDONLY | os.O_CLOEXEC | flags)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.readlink(magic)) from None


def explained(what: str, error: OSError) -> SpecError:
    """Return the SpecError for an `error` of `open_source`; its message begins with `what`."""
    place = os.fsdecode(error.filename or "")
    if error.errno == errno.EXDEV:
        return SpecError(
            f"{what} is a link that leads out of the project",
            hint=f"copy what it leads to beside the spec; it leads to {os.path.realpath(place)}",
        )
    return SpecError(f"{what}: {error.strerror}", hint=f"it is looked for at {place}" if place else "")
