"""Asks the API for what the screens show. Called in threads; knows nothing of screens."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import field, frozen

from envforge.errors import EnvforgeError
from envforge.tui.core.commands import DEFAULT, Subject

if TYPE_CHECKING:
    from envforge.api.comparing import Why
    from envforge.api.environments import EnvironmentInfo
    from envforge.api.inspecting import EnvironmentDetails, Package
    from envforge.api.projects import Location, Project
    from envforge.api.upkeep import Usage


Reasons = Callable[["Sequence[Package]", str], "tuple[Why, ...]"]
"""Tells why the packages of a name are there."""


@frozen
class Found:
    """The environments of a store, and what is known of them without opening each project."""

    infos: tuple["EnvironmentInfo", ...] = ()
    running: Mapping[str, int] = field(factory=dict, hash=False)
    """How many sandboxes run, by the subject's key."""
    gone: frozenset[str] = frozenset()
    """Specs that do not exist any more."""


def environments(store: str) -> Found:
    """Return the environments of the store."""
    from envforge.api import environments as api  # noqa: PLC0415 - the first screen shows before it is loaded

    infos = api.environments(store)
    gone = frozenset(info.spec for info in infos if not os.path.exists(info.spec))
    return Found(infos, running(store), gone)


class Ahead:
    """Reads the environments of a store in a thread, while what draws them is being loaded."""

    def __init__(self, store: str) -> None:
        self._found: Found | Exception | None = None
        self._thread = threading.Thread(target=self._read, args=(store,), daemon=True)
        self._thread.start()

    def _read(self, store: str) -> None:
        try:
            self._found = environments(store)
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            self._found = error

    @property
    def is_done(self) -> bool:
        """Return whether `result` need not wait."""
        return not self._thread.is_alive()

    def result(self) -> Found:
        """Return what was found, or raise what was raised."""
        self._thread.join()
        if isinstance(self._found, Found):
            return self._found
        raise self._found or AssertionError("it was read")


def running(store: str) -> Mapping[str, int]:
    """Return how many sandboxes of each environment of the store run."""
    from envforge.api import environments as api  # noqa: PLC0415 - as above

    found = (one for one in api.running() if os.path.realpath(one.store) == os.path.realpath(store))
    return Counter(Subject(one.project, one.environment_name).key for one in found)


def here(file: str | None, store: str, environment: str | None) -> Subject | None:
    """Return the project of the current directory or of `file`, None where there is none.

    Raises EnvforgeError only where a file was named.
    """
    from envforge.api import projects  # noqa: PLC0415 - as above

    try:
        project = projects.open(file, store, None, environment)
    except EnvforgeError:
        if file is not None or environment is not None:
            raise
        return None
    return Subject(project.spec_path, project.environment, "", project.label)


def project_of(subject: Subject, store: str) -> "Project":
    """Return the project that an environment belongs to. Raises EnvforgeError."""
    from envforge.api import projects  # noqa: PLC0415 - as above

    return projects.open(
        subject.spec, store, None, subject.environment if subject.environment != DEFAULT else None
    )


def details(subject: Subject, store: str) -> "EnvironmentDetails":
    """Return what is known of an environment from its project. Raises EnvforgeError."""
    from envforge.api import inspecting  # noqa: PLC0415 - as above

    return inspecting.describe(project_of(subject, store))


def space(store: str) -> "tuple[Usage, list[int]]":
    """Return where the store's space is, and what only each root keeps, in bytes. Raises EnvforgeError."""
    from envforge.api import upkeep  # noqa: PLC0415 - as above

    usage = upkeep.usage(store)
    return usage, [one.exclusive.size_bytes for one in upkeep.by_root(usage.marked)]


def explained(subject: Subject, store: str) -> "tuple[EnvironmentDetails, Reasons]":
    """Return the same, and what tells why a package is there. Raises EnvforgeError."""
    from envforge.api import comparing  # noqa: PLC0415 - here, in a thread: it takes a while to load

    return details(subject, store), comparing.reasons


def location_of(subject: Subject, store: str) -> "Location":
    """Return where an environment's project is; nothing is read, so a broken spec does not matter."""
    from envforge.api import projects  # noqa: PLC0415 - as above

    return projects.Location(subject.spec, store, subject.environment)
