"""What comes out of a container: read as it comes, handed on to the log and to who is attached."""

import os
from select import select
from time import monotonic

from envforge.containers.supervisor.loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PIECE = 1 << 16


class Output:
    """One stream of a payload's: the reading end of a pipe, or the master of a terminal."""

    def __init__(self, loop: Loop, descriptor: int, taken: "Callable[[bytes], None]") -> None:
        self._loop = loop
        self._taken = taken
        self._is_watched = False
        self.descriptor = descriptor
        os.set_blocking(descriptor, False)
        self.resume()

    def pause(self) -> None:
        """Read no more for now: the payload waits once the pipe is full."""
        if self._is_watched:
            self._loop.unwatch(self.descriptor)
            self._is_watched = False

    def resume(self) -> None:
        """Read again."""
        if not self._is_watched and self.descriptor >= 0:
            self._loop.watch(self.descriptor, self._ready)
            self._is_watched = True

    def _ready(self, _events: int) -> None:
        data = self._read()
        if data:
            self._taken(data)
        elif data is not None:
            self.close()

    def _read(self) -> "bytes | None":
        """Return what is there, b"" at the end, None for nothing yet."""
        try:
            return os.read(self.descriptor, PIECE)
        except BlockingIOError:
            return None
        except OSError:
            return b""  # EIO: all that had the terminal are gone

    def drain(self, patience_s: float = 0) -> bytes:
        """Return all that is there still, and close it: everything that could write is gone.

        Or is about to be, within that time: what relays a terminal.
        """
        found = b""
        end = monotonic() + patience_s
        while self.descriptor >= 0 and (data := self._read()) != b"":
            if data is None and not select([self.descriptor], [], [], max(0.0, end - monotonic()))[0]:
                break
            found += data or b""
        self.close()
        return found

    def close(self) -> None:
        """Close it."""
        if self.descriptor >= 0:
            self.pause()
            os.close(self.descriptor)
            self.descriptor = -1
