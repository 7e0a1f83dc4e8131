"""The command's end of an attached container: passes bytes on until the container ends, or is left alone.

`Keys` finds the two keys that detach, as Docker does: ctrl-p, then ctrl-q.
"""

import os
from select import select

from envforge.containers import control
from envforge.containers.supervisor.frames import CLOSE, ERRORS, EXIT, INPUT, SIZE, Frames, frame
from envforge.errors import ConflictError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from envforge.containers.records import Container

_PIECE = 1 << 16


class Keys:
    """Takes what was typed; gives what goes to the container."""

    def __init__(self, keys: bytes = b"\x10\x11") -> None:
        self._keys = keys
        self._held = 0
        self.is_detached = False
        """Somebody has pressed all of them, one after the other."""

    def take(self, typed: bytes) -> bytes:
        """Return what goes on. A key that may be the first one waits for the next."""
        found = bytearray()
        for number in typed:
            if self._keys and number == self._keys[self._held]:
                self._held += 1
                if self._held == len(self._keys):
                    self.is_detached = True
                    return bytes(found)
                continue
            found += self._keys[: self._held]
            self._held = int(bool(self._keys) and number == self._keys[0])
            if not self._held:
                found.append(number)
        return bytes(found)


class Attachment:
    """A connection to a container that runs."""

    def __init__(self, container: "Container") -> None:
        """Connect. Raises ConflictError where it does not run."""
        self._frames = Frames()
        try:
            self._connection = control.connect(container.directory)
            control.send(self._connection, {"do": "attach"})
            answer = control.receive(self._connection)
        except control.GoneError:
            raise ConflictError(
                f"the container {container.name} is not running",
                hint=f"`envforge start {container.name}`, or `envforge logs {container.name}`",
            ) from None
        self.tty: bool = answer["tty"]
        self.takes_input: bool = answer["interactive"]

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the terminal inside."""
        self._send(frame(SIZE, rows.to_bytes(2, "big") + columns.to_bytes(2, "big")))

    def _send(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except OSError:
            return  # it has ended: its last frame is still to be read

    def carry(self, source: int, keys: Keys, shown: "Callable[[str, bytes], None]") -> "int | None":
        """Pass bytes on, from the descriptor `source` (-1 for none) and to `shown`, until the container ends.

        Return its exit code, None where the keys were pressed or its supervisor is gone.
        """
        watched = [self._connection.fileno(), *([source] if source >= 0 and self.takes_input else [])]
        while True:
            ready = select(watched, [], [])[0]
            if self._connection.fileno() in ready:
                data = self._connection.recv(_PIECE)
                if not data:
                    return None
                for kind, what in self._frames.take(data):
                    if kind == EXIT:
                        return int(what)
                    shown("stderr" if kind == ERRORS else "stdout", what)
            if source in ready:
                typed = os.read(source, _PIECE)
                going = keys.take(typed)
                if keys.is_detached:
                    return None
                self._send(frame(INPUT, going) if typed else frame(CLOSE))
                if not typed:
                    watched = watched[:1]

    def close(self) -> None:
        """Close the connection; the container goes on."""
        self._connection.close()
