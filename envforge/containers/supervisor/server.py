"""The supervisor's end of the control socket: takes questions, and gives each to who answers it."""

import os
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, socket

from envforge.containers import control, plain_json
from envforge.containers.supervisor.loop import READ, WRITE, Loop
from envforge.errors import EnvforgeError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Answerer = Callable[["Client", dict[str, Any]], None]

BUFFER_MAX_BYTES = 1 << 20
"""A client that reads so much too slowly holds the container's output up, as a terminal does."""
_CLIENTS_MAX = 64


class Client:
    """One connection. `answer` once; or `stream`, and send frames until it is closed."""

    def __init__(self, loop: Loop, connection: socket, server: "Server") -> None:
        self._loop = loop
        self._connection = connection
        self._server = server
        self._got = b""
        self._unsent = b""
        self._ends = False
        self.taken: Callable[[bytes], None] | None = None
        """Who takes what the client sends after its question; None: nobody does."""
        self.closed: Callable[[], None] | None = None
        """Called when the client is gone."""
        self.drained: Callable[[], None] | None = None
        """Called when it has read everything."""
        loop.watch(connection.fileno(), self._ready)

    @property
    def is_behind(self) -> bool:
        """Say whether it reads too slowly."""
        return len(self._unsent) > BUFFER_MAX_BYTES

    def answer(self, **values: "Any") -> None:
        """Send the answer, and close the connection once it is sent."""
        self.begin(**values)
        self.end()

    def begin(self, **values: "Any") -> None:
        """Send the answer, and leave the connection open."""
        self.send(f"{plain_json.dumps(values)}\n".encode())

    def refuse(self, error: EnvforgeError) -> None:
        """Answer with an error."""
        self.answer(error=[type(error).__name__, error.message, error.hint])

    def send(self, data: bytes) -> None:
        """Send bytes as soon as the client takes them."""
        self._unsent += data
        self._flush()

    def end(self) -> None:
        """Close the connection once everything is sent."""
        self._ends = True
        self._flush()

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & ~WRITE and self._connection.fileno() >= 0:
            self._read()

    def _read(self) -> None:
        try:
            data = self._connection.recv(control.LINE_MAX_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        elif self.taken is not None:
            self.taken(data)
        elif not self._ends:
            self._got += data
            self._understand()

    def _understand(self) -> None:
        line, newline, rest = self._got.partition(b"\n")
        if not newline:
            if len(self._got) > control.LINE_MAX_BYTES:
                self.close()
            return
        self._got = b""
        self._server.take(self, line)
        if rest and self.taken is not None:
            self.taken(rest)

    def _flush(self) -> None:
        if self._connection.fileno() < 0:
            return
        try:
            while self._unsent:
                self._unsent = self._unsent[self._connection.send(self._unsent[: 1 << 16]) :]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if self._unsent:
            self._loop.change(self._connection.fileno(), READ | WRITE)
        elif self._ends:
            self.close()
        else:
            self._loop.change(self._connection.fileno(), READ)
            if self.drained is not None:
                self.drained()

    def close(self) -> None:
        """Close the connection."""
        if self._connection.fileno() < 0:
            return
        self._loop.unwatch(self._connection.fileno())
        self._connection.close()
        self._server.clients.discard(self)
        if self.closed is not None:
            self.closed()


class Server:
    """The listening socket, and who answers which question."""

    def __init__(self, loop: Loop, directory: str) -> None:
        self._loop = loop
        self._answerers: dict[str, Answerer] = {}
        self.clients: set[Client] = set()
        self._listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
        if os.path.lexists(f"{directory}/{control.SOCKET}"):
            os.unlink(f"{directory}/{control.SOCKET}")
        descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._listening.bind(control.address(descriptor))
        finally:
            os.close(descriptor)
        self._listening.listen(_CLIENTS_MAX)
        loop.watch(self._listening.fileno(), self._accept)

    def on(self, question: str, answerer: "Answerer") -> None:
        """Have `answerer` answer a question: it gets the client and what it asked."""
        self._answerers[question] = answerer

    def take(self, client: Client, line: bytes) -> None:
        """Give a client's question to who answers it."""
        try:
            values = plain_json.loads(line.decode())
            answerer = self._answerers[values["do"]]
        except (ValueError, KeyError, TypeError):
            client.refuse(UsageError("a supervisor was asked what it does not know", hint="use one release"))
            return
        try:
            answerer(client, values)
        except EnvforgeError as error:
            client.refuse(error)
        except (TypeError, ValueError, KeyError, OSError) as error:  # values that make no sense
            client.refuse(UsageError(f"a supervisor cannot do that: {error!r}", hint="use one release"))

    def _accept(self, _events: int) -> None:
        try:
            descriptor, _ = self._listening._accept()  # type: ignore[attr-defined]  # noqa: SLF001  # of the module in C
        except OSError:
            return
        connection = socket(fileno=descriptor)
        connection.setblocking(False)
        if control.peer_uid(connection) not in (os.geteuid(), 0) or len(self.clients) >= _CLIENTS_MAX:
            connection.close()
            return
        self.clients.add(Client(self._loop, connection, self))
