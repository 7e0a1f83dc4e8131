"""Cgroups of version 2 that systemd's user manager delegates to a plain user.

    user@UID.service/               the manager's own (systemd, CGROUP_DELEGATION)
      app.slice/envforge.scope/     delegated: there as long as a process is in it, then removed by systemd
        envforge-callers/           who started the sandboxes, and reads in the end what the kernel counted
        envforge/                   the base: a cgroup for each sandbox

Only the manager can bring processes here from a login session: the kernel asks for the right to write to the
cgroup above both, which is root's.
"""

import fcntl
import os
import pwd
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import EAGAIN
from typing import Final

from envforge.sandbox.limits import v2
from envforge.sandbox.limits.bus import Bus, CallError
from envforge.sandbox.limits.hierarchies import NAME, Hierarchies, controllers, is_writable
from envforge.sandbox.limits.v2 import CALLERS, SCOPE

_SLICE: Final = "app.slice"
_PATH: Final = "/org/freedesktop/systemd1"
_INTERFACE: Final = "org.freedesktop.systemd1.Manager"
_ERROR: Final = "org.freedesktop.systemd1."
_ENDING: Final = frozenset({f"{_ERROR}UnitExists", f"{_ERROR}NoSuchUnit", f"{_ERROR}ScopeNotRunning"})
"""What is answered while the scope of before goes, or another process makes it."""
_TRIES: Final = 100
_PAUSE_S: Final = 0.02


class ManagerError(OSError):
    """Systemd's user manager gives no cgroup."""


def base(found: Hierarchies) -> str:
    """Return the directory for the sandboxes' cgroups, empty where no manager runs for this user."""
    above = own(found)
    if os.geteuid() == 0 or not found.unified or not is_writable(above) or not os.path.exists(_socket()):
        return ""
    return f"{above}/{_SLICE}/{SCOPE}/{NAME}"


def available(found: Hierarchies) -> frozenset[str]:
    """Return the controllers that systemd hands to the manager, and so to cgroups in the base."""
    return controllers(own(found)) & frozenset(v2.CONTROLLERS)


def own(found: Hierarchies) -> str:
    """Return the manager's own cgroup, whether there is one or not."""
    uid = os.geteuid()
    return f"{found.unified}/user.slice/user-{uid}.slice/user@{uid}.service"


def _socket() -> str:
    """Return the manager's own socket: unlike the session's bus it needs no D-Bus daemon."""
    directory = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    return f"{directory}/systemd/private"


def lingers() -> bool:
    """Say whether the manager, and all that runs in its cgroups, outlives the user's sessions."""
    try:
        return os.path.exists(f"/var/lib/systemd/linger/{pwd.getpwuid(os.geteuid()).pw_name}")
    except KeyError:
        return False


def is_managed(base_directory: str) -> bool:
    """Say whether a base is in the scope."""
    return os.path.basename(os.path.dirname(base_directory)) == SCOPE


def prepare(base_directory: str, pids: Iterable[int]) -> None:
    """Have the manager make the scope where there is none, bring processes into it, and make the base.

    Raises ManagerError, OSError.
    """
    scope = os.path.dirname(base_directory)
    with _alone(os.path.dirname(os.path.dirname(scope))):
        outside = [pid for pid in pids if not _is_in(scope, pid)]
        if outside:
            _bring(scope, outside)
        v2.prepare(base_directory)


@contextmanager
def _alone(directory: str) -> Iterator[None]:
    """Keep the user's other processes from doing the same: only the manager fills a scope that is empty."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_in(scope: str, pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            places = [line.rstrip("\n")[3:] for line in file if line.startswith("0::")]
    except OSError:
        return True  # it has ended
    return any(f"{place}/".startswith(f"/{_from_top(scope)}/") for place in places)


def _from_top(scope: str) -> str:
    """Return the scope's path from the top of the hierarchy."""
    return scope[scope.index("/user.slice/") + 1 :]


def _bring(scope: str, pids: list[int]) -> None:
    """Have the manager bring processes into the scope, one by one: an ended one fails a whole call."""
    try:
        with Bus(_socket()) as bus:
            for pid in pids:
                _bring_one(bus, scope, pid)
    except CallError as error:
        raise ManagerError(EAGAIN, str(error)) from error
    except OSError as error:
        raise ManagerError(error.errno or EAGAIN, error.strerror or str(error)) from error


def _bring_one(bus: Bus, scope: str, pid: int) -> None:
    """Ask until the scope has the process: it may just be going, as its last one ended."""
    for _ in range(_TRIES):
        try:
            if os.path.isdir(scope):
                return _attach(bus, scope, pid)
            return _start(bus, pid)
        except CallError as error:
            if _has_ended(pid):
                return None
            if error.name not in _ENDING:
                raise
        except FileNotFoundError:
            pass
        time.sleep(_PAUSE_S)
    raise CallError("", f"{SCOPE} does not end")


def _has_ended(pid: int) -> bool:
    """Say whether a process has ended, whether or not somebody has waited for it."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return True


def _start(bus: Bus, pid: int) -> None:
    """Start the scope with a process (org.freedesktop.systemd1(5))."""
    properties = [
        ("Description", ("s", "Sandboxes of envforge")),
        ("Slice", ("s", _SLICE)),
        ("PIDs", ("au", [pid])),
        ("Delegate", ("b", True)),
        ("TasksMax", ("t", (1 << 64) - 1)),  # else all sandboxes share what one unit may have
        ("CollectMode", ("s", "inactive-or-failed")),
    ]
    signature = "ssa(sv)a(sa(sv))"
    (job,) = bus.call(_PATH, _INTERFACE, "StartTransientUnit", signature, SCOPE, "fail", properties, [])
    for _, ended, _, result in bus.signals("JobRemoved"):
        if ended == job:
            if result != "done":
                raise CallError("", f"the job that starts {SCOPE} ended so: {result}")
            return


def _attach(bus: Bus, scope: str, pid: int) -> None:
    """Have the manager move a process into the scope that there is, below its top."""
    os.makedirs(f"{scope}/{CALLERS}", exist_ok=True)
    bus.call(_PATH, _INTERFACE, "AttachProcessesToUnit", "ssau", SCOPE, f"/{CALLERS}", [pid])
    if not _is_in(scope, pid):
        raise CallError("", f"it does not bring the process {pid} into {SCOPE}")
