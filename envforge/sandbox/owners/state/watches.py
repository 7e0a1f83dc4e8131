"""Notices when a file of a lower layer may have been copied up, which changes its inode number.

Every call that copies a file up (a write-open, a change of attributes, a rename, a link) makes an event of
inotify(7), which is queued before the call returns. So a file without events is not looked at again.
"""

import errno
import os
from fcntl import ioctl
from struct import Struct

from attrs import define, field

from envforge.errors import CapabilityError
from envforge.sandbox.owners import kernel

_IN_MODIFY, _IN_ATTRIB, _IN_OPEN, _IN_MOVE_SELF, _IN_DELETE_SELF = 0x2, 0x4, 0x20, 0x800, 0x400
_IN_DONT_FOLLOW = 0x02000000
_EVENTS = _IN_MODIFY | _IN_ATTRIB | _IN_OPEN | _IN_MOVE_SELF | _IN_DELETE_SELF
_IN_Q_OVERFLOW = 0x4000
_FIONREAD = 0x541B
_NOTHING = bytes(4)
_event = Struct("<iIII")  # watch, mask, cookie, length of a name: files have none
_READ_SIZE = 1 << 16


def _start() -> int:
    try:
        return kernel.start_watching()
    except OSError as error:
        raise _refused(error, "fs.inotify.max_user_instances") from error


@define(slots=True)
class Watches:
    """Watched files, by numbers that the caller keeps."""

    _descriptor: int = field(factory=_start)
    _waiting: bytearray = field(factory=lambda: bytearray(4))

    def add(self, path: bytes) -> int:
        """Watch a file, a link itself; return the watch's number."""
        try:
            return kernel.add_watch(self._descriptor, path, _EVENTS | _IN_DONT_FOLLOW)
        except OSError as error:
            raise _refused(error, "fs.inotify.max_user_watches") from error

    def remove(self, watch: int) -> None:
        """Stop watching; the watch of a file that is gone has ended by itself."""
        kernel.remove_watch(self._descriptor, watch)

    def is_silent(self) -> bool:
        """Say if nothing has happened since the last `heard`."""
        ioctl(self._descriptor, _FIONREAD, self._waiting)
        return self._waiting == _NOTHING

    def heard(self) -> set[int] | None:
        """Return the watches with events; None if events were lost, so that it may be any."""
        found = set()
        data = os.read(self._descriptor, _READ_SIZE)
        for watch, mask, _, _ in _event.iter_unpack(data):
            if mask & _IN_Q_OVERFLOW:
                return None
            found.add(watch)
        return found


def _refused(error: OSError, limit: str) -> CapabilityError:
    hint = "envforge doctor"
    if error.errno in {errno.EMFILE, errno.ENOSPC, errno.ENOMEM}:
        hint = f"sudo sysctl -w {limit}=8192, or end programs that watch many files"
    return CapabilityError(f"files cannot be watched here (inotify): {error.strerror}", hint=hint)
