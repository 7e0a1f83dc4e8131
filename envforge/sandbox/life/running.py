"""Lists this user's running sandboxes: those whose records name processes that are still the same.

`exec` into a container makes a Running by itself, on the warm path: this imports next to nothing.
"""

import os
import time
from fcntl import LOCK_NB, LOCK_SH, flock

from envforge.sandbox import cache, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from envforge.sandbox.compiled import Plan

_FRESH_S = 10
"""A younger record may belong to a sandbox whose parent is about to lock it."""
_RECORD_MAX_BYTES = 1 << 20


class Running:
    """A running sandbox, which can be joined."""

    __slots__ = (
        "cgroup",
        "command",
        "environment",
        "environment_name",
        "id",
        "name",
        "pid",
        "plan",
        "project",
        "started",
        "started_ticks",
        "store",
        "upper",
    )

    def __init__(  # noqa: PLR0917  # all that a record says
        self,
        id: str,  # noqa: A002  # its attribute's name
        name: str,
        project: str,
        environment_name: str,
        environment: str,
        store: str,
        command: "tuple[str, ...]",
        pid: int,
        started: int,
        started_ticks: int,
        plan: "Plan",
        cgroup: "tuple[str, ...]" = (),
        upper: str = "",
    ) -> None:
        self.id = id
        self.name = name
        """Its name in lists: `shop`, or `shop:db` if it is another environment than the spec's own."""
        self.project = project
        """The real path of the spec."""
        self.environment_name = environment_name
        """Which of the spec's environments."""
        self.environment = environment
        """Its digest."""
        self.store = store
        self.command = command
        self.pid = pid
        """The pid of its PID 1 on the host."""
        self.started = started
        """Seconds since 1970."""
        self.started_ticks = started_ticks
        """Start time of PID 1, which tells it from a later process of that pid."""
        self.plan = plan
        self.cgroup = cgroup
        """The directories of its cgroup."""
        self.upper = upper
        """Name of its upper directory; empty where that was not asked for."""


def directories() -> "tuple[str, ...]":
    """Return all directories of records: the sandbox's starter may have had other XDG variables."""
    from envforge.places import usual_state_directory  # noqa: PLC0415  # only to list them all

    found = [record.directory(), f"{os.path.dirname(cache.directory())}/{record.BELOW}"]
    runtime = f"/run/user/{os.geteuid()}"
    if record.is_own(runtime):
        found.append(f"{runtime}/envforge/{record.BELOW}")
    found.append(f"{usual_state_directory()}/{record.BELOW}")
    return tuple(dict.fromkeys(found))


def running() -> "tuple[Running, ...]":
    """Return the running sandboxes, the oldest first; remove the records of ended ones."""
    found = {one.id: one for directory in directories() for one in _in(directory)}
    return tuple(sorted(found.values(), key=lambda one: (one.started, one.started_ticks, one.id)))


def _in(directory: str) -> "Iterator[Running]":
    if not record.is_own(directory):
        return
    for name in os.listdir(directory):
        try:
            one = _read(directory, name)
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            continue  # the sandbox has just ended, or we did not write the record
        if one is not None and is_there(one):
            yield one


def _read(directory: str, name: str) -> "Running | None":
    """Return what a record says, None for one of a sandbox that has ended, which is removed."""
    path = f"{directory}/{name}"
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & 0o170077 != 0o100000:
            return None
        try:
            flock(descriptor, LOCK_SH | LOCK_NB)
        except BlockingIOError:
            values = cache.unsealed(f"{record.BELOW}/{name}", file.read(_RECORD_MAX_BYTES))
            return _running(name, int(status.st_mtime), values)
        if time.time() - status.st_mtime > _FRESH_S:
            os.unlink(path)
    return None


def _running(name: str, started: int, values: "Any") -> "Running | None":
    if values["format"] != record.FORMAT or values["uid"] != os.geteuid():
        return None
    plan: Plan = values["plan"]
    return Running(
        id=name,
        name=plan["label"],
        project=plan["project"],
        environment_name=plan["environment"],
        environment=os.path.basename(plan["lock"]).partition(".")[0],
        store=plan["store"],
        command=values["command"],
        pid=values["pid"],
        started=started,
        started_ticks=values["started"],
        plan=plan,
        cgroup=values["cgroup"],
        upper=values["upper"],
    )


def is_there(one: Running) -> bool:
    """Say whether the process is still the one of the record."""
    try:
        return record.started_of(one.pid) == one.started_ticks
    except (OSError, ValueError, IndexError):
        return False
