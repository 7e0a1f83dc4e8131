"""What containers have written: their logs, the lines that come, and being attached to one."""

import os

from envforge.containers import named, truth
from envforge.containers.output.attaching import Attachment, Keys
from envforge.containers.output.following import Line, follow, follow_all, merged
from envforge.containers.output.logs import Entry, entries
from envforge.containers.output.tail import Tail
from envforge.containers.records import Container
from envforge.errors import NotFoundError, UsageError

__all__ = [
    "Attachment",
    "Entry",
    "Keys",
    "Line",
    "Tail",
    "entries",
    "follow",
    "follow_all",
    "merged",
    "of_services",
]


def of_services(store: str, spec: str | None = None, instance: str = "") -> list[Container]:
    """Return the containers of the services of the project here, of one instance, ordered by service.

    Raises UsageError where there is no project.
    """
    here = named.spec_here(spec)
    if not here:
        raise UsageError("no project is here whose services could be meant", hint="`envforge logs NAME`")
    found = []
    for one in named.of_project(os.path.realpath(store), here):
        if one.config["instance"] == instance:
            try:
                found.append(truth.checked(one))
            except NotFoundError:
                continue
    return sorted(found, key=lambda one: str(one.config["service"]))
