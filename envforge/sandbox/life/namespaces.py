"""Opens the namespaces of a running sandbox from outside, and verifies that they are its own.

PID 1 is not dumpable, so they are opened through the payload: the first child of PID 1, pid 2 inside for as
long as the sandbox lives. A payload that may make namespaces could have moved to some that it controls. So
each one has to be owned by the user namespace that this user made for the sandbox (ioctl_ns(2)).
"""

import os
import select
import time
from errno import EPERM, ESRCH
from fcntl import ioctl

from envforge.kernel import processes
from envforge.sandbox.life.running import is_there

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envforge.sandbox.compiled import Plan
    from envforge.sandbox.life.running import Running

_NS_GET_USERNS = 0xB701
_NS_GET_PARENT = 0xB702
_NS_GET_OWNER_UID = 0xB704
_PAYLOAD = b"2"
"""The payload's pid inside."""
_KINDS = {
    "ipc": processes.CLONE_NEWIPC,
    "uts": processes.CLONE_NEWUTS,
    "net": processes.CLONE_NEWNET,
    "pid": processes.CLONE_NEWPID,
    "cgroup": processes.CLONE_NEWCGROUP,
    "mnt": processes.CLONE_NEWNS,
}
EVERY_KIND = sum(_KINDS.values())
_PATIENCE_S = 10.0


class Namespaces:
    """Descriptors of a sandbox's namespaces; to be closed."""

    __slots__ = ("inner", "others", "outer")

    def __init__(self) -> None:
        self.outer = -1
        """The user namespace that the caller made: A."""
        self.inner = -1
        """The payload's own below it: B; -1 if there is none."""
        self.others: list[tuple[int, int]] = []
        """The other namespaces, each with its flag, in the order of joining."""

    def descriptors(self) -> "list[int]":
        """Return all that are open."""
        found = [self.outer, self.inner, *(descriptor for descriptor, _ in self.others)]
        return [descriptor for descriptor in found if descriptor >= 0]

    def enter(self, plan: "Plan", kinds: int) -> None:
        """Move this process to those of the given kinds (CLONE_NEW…), with the rights of its root."""
        processes.setns(self.outer, processes.CLONE_NEWUSER)
        if plan["idmapped"]:  # root's own number is not mapped in there
            os.setresgid(0, 0, 0)
            os.setgroups([])
            os.setresuid(0, 0, 0)
        processes.set_dumpable(0)  # the change of ids may have set it back
        for descriptor, flag in self.others:
            if flag & kinds:
                processes.setns(descriptor, flag)

    def close(self) -> None:
        """Close them."""
        for descriptor in self.descriptors():
            os.close(descriptor)
        self.outer = self.inner = -1
        self.others = []


def open_namespaces(one: "Running") -> Namespaces:
    """Open the namespaces of a sandbox. Raises OSError if it has ended, or they are not its own."""
    process = os.pidfd_open(one.pid)
    found = Namespaces()
    try:
        if not is_there(one):
            raise ProcessLookupError(ESRCH, os.strerror(ESRCH))
        _open_all(found, one, payload_of(one.pid))
        if select.select([process], [], [], 0)[0]:
            raise ProcessLookupError(ESRCH, os.strerror(ESRCH))
    except BaseException:
        found.close()
        raise
    finally:
        os.close(process)
    return found


def payload_of(first: int) -> int:
    """Return the payload's pid on the host; waits a while for one that is yet to be cloned."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        for pid in _children(first):
            if _number_inside(pid) == _PAYLOAD:
                return pid
        if time.monotonic() > end:
            raise ProcessLookupError(ESRCH, os.strerror(ESRCH))
        os.stat(f"/proc/{first}")
        time.sleep(0.01)


def _children(first: int) -> "list[int]":
    with open(f"/proc/{first}/task/{first}/children", "rb", buffering=0) as file:
        return [int(word) for word in file.read().split()]


def _number_inside(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return b""
    return next((line.split()[-1] for line in lines if line.startswith(b"NSpid:")), b"")


def _open_all(found: Namespaces, one: "Running", payload: int) -> None:
    place = f"/proc/{payload}/ns"
    innermost = _open_patiently(f"{place}/user")
    if one.plan["nested"] is None:
        found.outer = innermost
    else:
        found.inner = innermost
        found.outer = ioctl(innermost, _NS_GET_PARENT)
    _check_outer(found.outer, one.plan["around"])
    status = os.fstat(found.outer)
    expected = (status.st_dev, status.st_ino)
    for name, flag in _KINDS.items():
        if not one.plan["flags"] & flag:
            continue
        found.others.append((os.open(f"{place}/{name}", os.O_RDONLY | os.O_CLOEXEC), flag))
        owner = ioctl(found.others[-1][0], _NS_GET_USERNS)
        if not _is_same(owner, expected):
            raise PermissionError(EPERM, "its first process has moved to namespaces of its own", name)


def _open_patiently(path: str) -> int:
    """Open a file of the payload's, waiting for its exec: until then it is envforge, and not dumpable."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError:
            if time.monotonic() > end:
                raise
        time.sleep(0.01)


def _check_outer(outer: int, around: "tuple[int, int] | None") -> None:
    """Raise PermissionError unless the user namespace is this user's, and a child of ours or of `around`."""
    parent = ioctl(outer, _NS_GET_PARENT)
    owner = int.from_bytes(ioctl(outer, _NS_GET_OWNER_UID, bytes(4)), "little")
    if not _is_same(parent, around or _identity("/proc/self/ns/user")) or owner != os.geteuid():
        raise PermissionError(EPERM, "its first process has moved to namespaces of its own", "user")


def _identity(path: str) -> "tuple[int, int]":
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _is_same(descriptor: int, other: "tuple[int, int]") -> bool:
    """Compare a namespace with the device and inode of another one, and close it."""
    try:
        status = os.fstat(descriptor)
        return (status.st_dev, status.st_ino) == other
    finally:
        os.close(descriptor)
