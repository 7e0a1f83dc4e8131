"""Opening what a spec names of its project, or of where the user has allowed it to lead.

A project is written from inside a sandbox: what is in it is opened beneath its directory, so that a link
leads nowhere else. openat2(2).
"""

import errno
import os

from envforge.build.site import ProjectFiles
from envforge.errors import SpecError
from envforge.sandbox import binds


def open_source(project: ProjectFiles, source: str) -> int:
    """Return a descriptor (O_PATH) of what a source in a spec means, the caller's. Raises OSError."""
    path = os.path.normpath(os.path.join(project.directory, source))
    if path in project.allowed:
        return binds.open_exactly(project.allowed[path])
    return binds.open_beneath(project.directory, path)


def explained(what: str, error: OSError) -> SpecError:
    """Return what to say where it could not be opened."""
    place = os.fsdecode(error.filename or "")
    if error.errno == errno.EXDEV:
        return SpecError(
            f"{what} is a link that leads out of the project",
            hint=f"copy what it leads to beside the spec; it leads to {os.path.realpath(place)}",
        )
    return SpecError(f"{what}: {error.strerror}", hint=f"it is looked for at {place}")
