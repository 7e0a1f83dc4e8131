"""Looks at containers, again and again. Called in threads, one call at a time; knows nothing of screens."""

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from envforge.errors import EnvforgeError
from envforge.tui.core.containers.log import LENGTH_MAX

if TYPE_CHECKING:
    from envforge.api.containers import Container, Usage
    from envforge.api.containers_logs import Entry, Tail

_ENTRIES_MAX_BYTES = 5000 * LENGTH_MAX // 8
"""How much of a log is read at once: more than a screen keeps, for usual lines."""
_Needs = Mapping[str, tuple[tuple[str, str], ...]]


@frozen
class Seen:
    """How the containers of a store were at one moment."""

    containers: "tuple[Container, ...]" = ()
    usages: "Mapping[str, tuple[float, Usage]]" = field(factory=dict)
    """By id: when it was looked at, and what the container used."""
    needs: Mapping[str, _Needs] = field(factory=dict)
    """By spec: what each of its services waits for."""
    problem: str = ""


@define
class Watcher:
    """Remembers between two looks what is dear to find out."""

    store: str
    _needs: dict[str, tuple[float, _Needs]] = field(factory=dict)
    """By spec: when it was changed last, and what its services wait for."""

    def look(self) -> Seen:
        """Return how the containers are now."""
        from envforge.api import containers as api  # noqa: PLC0415 - only once the screen is shown

        try:
            found = tuple(api.all_of(self.store))
        except (EnvforgeError, OSError) as error:
            return Seen(problem=str(error))
        usages = {}
        for one in found:
            if one.state["pid"]:
                usages[one.id] = (time.monotonic(), api.usage(one))
        specs = {one.config["project"] for one in found if one.config["service"]}
        return Seen(found, usages, {spec: self._needs_of(spec) for spec in specs})

    def _needs_of(self, spec: str) -> _Needs:
        """Return what the services of a spec wait for; nothing where that cannot be read."""
        try:
            changed = os.stat(spec).st_mtime
        except OSError:
            return {}
        known = self._needs.get(spec)
        if known is None or known[0] != changed:
            known = self._needs[spec] = (changed, _read_needs(spec, self.store))
        return known[1]


def _read_needs(spec: str, store: str) -> _Needs:
    from envforge.api import projects, services  # noqa: PLC0415 - as above

    try:
        return services.dependencies(projects.open(spec, store, None, None))
    except EnvforgeError:
        return {}


@define
class LogReader:
    """Reads the log of one container, which may have been removed meanwhile."""

    container: "Container"
    _tail: "Tail | None" = None

    def read(self) -> "list[Entry]":
        """Return what came since the last call."""
        from envforge.api import containers_logs  # noqa: PLC0415 - as above

        try:
            if self._tail is None:
                self._tail = containers_logs.Tail(self.container, most_bytes=_ENTRIES_MAX_BYTES)
            return self._tail.read()
        except OSError:
            return []

    def close(self) -> None:
        """Close what it reads."""
        if self._tail is not None:
            self._tail.close()
            self._tail = None
