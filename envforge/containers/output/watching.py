"""Waits until something changes in directories (inotify(7)), or a time is over."""

import errno
import os
import select
import time
from types import TracebackType
from typing import Final, Self

from envforge.kernel import syscalls

_MODIFY: Final = 0x2
_MOVED_TO: Final = 0x80
_CREATE: Final = 0x100
_DELETE: Final = 0x200
_SOME: Final = _MODIFY | _MOVED_TO | _CREATE | _DELETE
_WITHOUT_S: Final = 0.05
"""How long to wait where the user has no watches left."""
_ROOM: Final = 1 << 16

_init = syscalls.function("inotify_init1", 1)
_add = syscalls.function("inotify_add_watch", 3)


class Changes:
    """Directories whose entries are watched."""

    def __init__(self) -> None:
        """Begin. Where this user has no more instances of inotify, waiting is a short sleep instead."""
        self._is_blind = False
        try:
            self._descriptor = syscalls.check(_init(os.O_CLOEXEC | os.O_NONBLOCK))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._descriptor = -1

    def __enter__(self) -> Self:
        """Return itself; leaving ends the watching."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def watch(self, directory: str) -> None:
        """Watch a directory too; one that is gone changes no more."""
        if self._descriptor < 0:
            return
        try:
            syscalls.check(_add(self._descriptor, os.fsencode(directory), _SOME), directory)
        except OSError as error:
            if error.errno == errno.ENOSPC:  # fs.inotify.max_user_watches
                self._is_blind = True
            elif error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise

    def wait(self, seconds: float) -> None:
        """Return once something has changed since the last call, or after that time."""
        if self._descriptor < 0 or self._is_blind:
            time.sleep(min(seconds, _WITHOUT_S))
            return
        if select.select([self._descriptor], [], [], seconds)[0]:
            os.read(self._descriptor, _ROOM)  # what it says is looked at by the caller
