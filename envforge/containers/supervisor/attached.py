"""Who is attached to a container: gets what comes out of it, and may write into it."""

from envforge.containers.supervisor.frames import CLOSE, ERRORS, EXIT, INPUT, OUTPUT, SIZE, Frames, frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from envforge.containers.supervisor.payload import Life
    from envforge.containers.supervisor.server import Client


class Attached:
    """All clients that are attached, and the payload that runs."""

    def __init__(self, *, tty: bool, interactive: bool, is_awaited: bool = False) -> None:
        self._tty = tty
        self._interactive = interactive
        self._clients: set[Client] = set()
        self._life: Life | None = None
        self._is_awaited = is_awaited
        """Nothing is read before somebody is attached, who would else miss the beginning."""

    def begin(self, life: "Life") -> None:
        """Connect them to a payload that has been started."""
        self._life = life
        if self._is_awaited:
            for output in life.outputs:
                output.pause()

    def add(self, client: "Client", _asked: "dict[str, Any]") -> None:
        """Attach a client."""
        frames = Frames()

        def take(data: bytes) -> None:
            try:
                for kind, what in frames.take(data):
                    self._do(kind, what)
            except ValueError:
                client.close()

        def gone() -> None:
            self._clients.discard(client)
            self._resume()

        client.taken, client.closed, client.drained = take, gone, self._resume
        self._clients.add(client)
        client.begin(tty=self._tty, interactive=self._interactive)
        self._is_awaited = False
        self._resume()

    def _do(self, kind: bytes, data: bytes) -> None:
        if self._life is None:
            return
        if kind == SIZE and len(data) == 4:
            self._life.resize(int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big"))
        elif self._life.input is None or not self._interactive:
            return
        elif kind == INPUT:
            self._life.input.write(data)
        elif kind == CLOSE and not self._tty:
            self._life.input.end()

    def show(self, stream: str, data: bytes) -> None:
        """Send everybody what came out; while one of them reads too slowly, nothing more is read."""
        for client in list(self._clients):
            client.send(frame(OUTPUT if stream == "stdout" else ERRORS, data))
        if self._life is not None and any(client.is_behind for client in self._clients):
            for output in self._life.outputs:
                output.pause()

    def _resume(self) -> None:
        if self._life is not None and not any(client.is_behind for client in self._clients):
            for output in self._life.outputs:
                output.resume()

    def leave(self) -> None:
        """Forget the payload, which has ended; the clients are told later."""
        self._life = None

    def end(self, code: int) -> None:
        """Tell everybody that the payload has ended."""
        self.leave()
        for client in list(self._clients):
            client.send(frame(EXIT, str(code).encode()))
            client.end()
