"""The supervisor from start to end: enter the tree, load its owners, answer calls, report the new owners."""

import errno
import gc
import os
import resource
import socket
import stat
from collections.abc import Iterator, Mapping

from attrs import define

from envforge.errors import CapabilityError
from envforge.kernel import syscalls
from envforge.kernel.processes import CLONE_NEWNS, setns
from envforge.sandbox.owners import kernel, notify
from envforge.sandbox.owners.kernel import AT_FDCWD, AT_SYMLINK_NOFOLLOW
from envforge.sandbox.owners.model import Owner
from envforge.sandbox.owners.state import posix_acl
from envforge.sandbox.owners.state.attributes import Attributes, Owned
from envforge.sandbox.owners.state.names import Names
from envforge.sandbox.owners.state.shared import SharedState
from envforge.sandbox.owners.supervisor import serve

_KINDS = {"c": stat.S_IFCHR, "b": stat.S_IFBLK}
_TYPES = {kind: type_ for type_, kind in _KINDS.items()}


@define
class Session:
    """One supervised command."""

    state: SharedState
    upper: int
    """Descriptor of the upper directory, outside the overlay."""

    @classmethod
    def enter(cls, upper: str, listener: int, mounts: int) -> "Session":
        """Move this process into the tree: its mounts and its root, but neither its pids nor its network."""
        processes = _open_processes()
        upper_directory = os.open(upper, os.O_RDONLY | os.O_DIRECTORY)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        setns(mounts, CLONE_NEWNS)
        os.close(mounts)
        os.umask(0)
        gc.freeze()
        state = SharedState(listener, Names(processes), Attributes())
        return cls(state, upper_directory)

    def run(self, owners: Mapping[bytes, Owner], command: socket.socket) -> dict[bytes, Owner]:
        """Serve until the command and all it started have ended; return the owners of the upper layer."""
        for path, owner in owners.items():
            self._preload(path, owner)
        command.sendall(b"%d" % self._settle_on_a_processor())
        serve(self.state)
        return dict(self._collect())

    def _preload(self, path: bytes, owner: Owner) -> None:
        owned = Owned(owner.uid, owner.gid)
        if owner.type is not None:
            owned.kind, owned.device = _KINDS[owner.type], owner.device or (0, 0)
        xattrs = dict(owner.xattrs)
        owned.access_acl = xattrs.get(posix_acl.ACCESS, b"")
        owned.default_acl = xattrs.get(posix_acl.DEFAULT, b"")
        try:
            self.state.attributes.preload(path, owned)
        except (FileNotFoundError, NotADirectoryError):
            return  # an upper layer has removed it

    def _settle_on_a_processor(self) -> int:
        """Pin this process to its current processor; return the number, by which the command is pinned too.

        On one processor the two switch without a wait and with warm caches, which is worth more than the
        parallelism of scripts. The scheduler has chosen it, so builds side by side use different ones.
        """
        notify.wake_synchronously(self.state.listener)
        processor = kernel.current_processor()
        os.sched_setaffinity(0, {processor})
        return processor

    def _collect(self) -> Iterator[tuple[bytes, Owner]]:
        for path in _paths(self.upper):
            if not kernel.look(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW):
                continue
            owned = self.state.attributes.find()
            if owned is not None and not owned.is_plain:
                yield path, _owner(owned)


def _open_processes() -> int:
    """Return the /proc that numbers processes as the listener does."""
    processes = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    try:
        own = os.readlink("self", dir_fd=processes)
    except OSError:
        own = "missing"
    if own != str(os.getpid()):
        raise CapabilityError(
            f"/proc is not that of the own processes (its `self` is {own})",
            hint="mount -t proc proc /proc",
        )
    return processes


def _owner(owned: Owned) -> Owner:
    """Return the true attributes of the file last looked at."""
    mode = kernel.links_and_mode()[1]
    xattrs = []
    if owned.access_acl:
        xattrs.append((posix_acl.ACCESS, posix_acl.with_mode(owned.access_acl, mode)))
    if owned.default_acl:
        xattrs.append((posix_acl.DEFAULT, owned.default_acl))
    return Owner(
        uid=owned.uid,
        gid=owned.gid,
        type=_TYPES.get(owned.kind),
        device=owned.device if owned.kind else None,
        xattrs=tuple(xattrs),
    )


def _paths(top: int) -> Iterator[bytes]:
    """Yield the paths of everything below an open directory, its own first, whiteouts too; close it.

    Nothing recurses, however deep a package's tree is; what lies below a path beyond PATH_MAX is left out.
    """
    waiting = [b"/"]
    try:
        while waiting:
            path = waiting.pop()
            yield path
            directory = _opened(top, path)
            if directory < 0:
                continue
            try:
                with os.scandir(directory) as entries:
                    found = [
                        (os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries
                    ]
            finally:
                os.close(directory)
            for name, is_directory in found:
                below = path.rstrip(b"/") + b"/" + name
                if is_directory:
                    waiting.append(below)
                else:
                    yield below
    finally:
        os.close(top)


def _opened(top: int, path: bytes) -> int:
    """Return a descriptor of a directory below another one, -1 if its path is too long (ENAMETOOLONG)."""
    resolve = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS
    try:
        return syscalls.open_resolved(path[1:] or b".", os.O_RDONLY | os.O_DIRECTORY, resolve, directory=top)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return -1


def no_listener(number: int) -> CapabilityError:
    """Explain why the filter could not be installed; `number` is the errno, 0 if none was reported."""
    if number == errno.EBUSY:
        return CapabilityError(
            "this container's manager listens for system calls already, and only one can",
            hint="get a subordinate id range for this user, or turn interception off (LXD, Incus)",
        )
    if number == errno.EINVAL:
        return CapabilityError(
            f"this kernel ({os.uname().release}) is too old to build with a single id: Linux 5.19 is needed",
            hint="get a subordinate id range for this user (newuidmap, /etc/subuid, /etc/subgid)",
        )
    if number == errno.ENOSYS:
        return CapabilityError(
            f"building with a single id is not possible on {os.uname().machine}",
            hint="get a subordinate id range for this user (newuidmap, /etc/subuid, /etc/subgid)",
        )
    reason = os.strerror(number) if number else "the command's process ended before"
    return CapabilityError(f"system calls cannot be listened to here: {reason}", hint="envforge doctor")
