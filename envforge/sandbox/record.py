"""The record of a running sandbox: a small file, for the user's other commands. Loaded on the warm path.

    RUNTIME/running/<id>    0600, flocked by the sandbox's parent for as long as it lives: a MAC over name and
                            values (32 bytes), the values by marshal; its time is when the sandbox was started

RUNTIME is `$XDG_RUNTIME_DIR/envforge`, or the state directory if there is none. Other commands join
namespaces by what a record says (`running.py` and `join.py` in `life/`), so it is trusted only for its MAC,
as a plan is. A record that nobody has locked is of a sandbox that has ended, and is removed by its reader.
"""

import os
from fcntl import LOCK_EX, flock

from envforge.sandbox import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envforge.sandbox.compiled import Plan

FORMAT = 3
BELOW = "running"


class Record:
    """A record's file and its lock, held by the sandbox's parent."""

    __slots__ = ("descriptor", "path")

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def remove(self) -> None:
        """Remove the record: the sandbox has ended."""
        try:  # noqa: SIM105  # contextlib costs a millisecond
            os.unlink(self.path)
        except OSError:
            pass  # its next reader removes it
        os.close(self.descriptor)


def directory() -> str:
    """Return where this user's records are written."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and is_own(runtime):
        return f"{runtime}/envforge/{BELOW}"
    return f"{os.path.dirname(cache.directory())}/{BELOW}"


def is_own(path: str) -> bool:
    """Say whether a directory is the user's own and closed to everybody else (0700)."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return status.st_uid == os.geteuid() and status.st_mode & 0o170077 == 0o040000


def started_of(pid: int) -> int:
    """Return a process's start time in clock ticks since boot, which with its pid identifies it for good.

    Field 22 of /proc/PID/stat (proc(5)). Raises OSError if there is no such process.
    """
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def cgroup_name(parent: int, first: int) -> str:
    """Return the name of the cgroup of a sandbox with that parent and that PID 1, if it has one."""
    return f"{parent:x}-{first:x}"


def cgroup_remains(base: str, own: str) -> bool:
    """Say whether there is that cgroup, or one whose sandbox's parent is gone (`cgroup.stale`)."""
    try:
        for name in os.listdir(base):
            parent, dash, _ = name.partition("-")
            if name == own or (dash and not os.path.exists(f"/proc/{int(parent, 16)}")):
                return True
    except (OSError, ValueError):  # no cgroups here; a name of somebody else's
        pass
    return False


def note(
    plan: "Plan", pid: int, command: "list[str]", upper: str, cgroup: "tuple[str, ...]" = ()
) -> "Record | None":
    """Write the record of a sandbox with that PID 1; None if that fails: it runs on, but unlisted.

    `upper` is the name of its upper directory.
    """
    identifier = os.urandom(6).hex()
    values = {
        "format": FORMAT,
        "uid": os.geteuid(),
        "pid": pid,
        "started": started_of(pid),
        "command": tuple(command),
        "cgroup": cgroup,
        "upper": upper,
        "plan": {**plan, "relay": None},
    }
    try:
        data = cache.sealed(f"{BELOW}/{identifier}", values)
        path = f"{directory()}/{identifier}"
        descriptor = _made(path)
    except OSError:
        return None
    record = Record(path, descriptor)
    try:
        flock(descriptor, LOCK_EX)
        os.write(descriptor, data)
    except OSError:
        record.remove()
        return None
    return record


def _made(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        return os.open(path, flags, 0o600)
