"""Published UDP ports: each client of the host gets a socket inside, by which answers find their way back.

Clients are in the order in which they were last heard of. Who is silent for a minute is forgotten, and who
has been silent for longest when there are too many: addresses of datagrams can be forged.
"""

from _socket import AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, socket
from time import monotonic

from envforge.containers.network.loop import EPOLLIN, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INSIDE = ((AF_INET, "127.0.0.1"), (AF_INET6, "::1"))
SILENT_S = 60.0
CLIENTS_MAX = 1024
_LARGEST = 1 << 16
_AT_ONCE = 64


class Client:
    """An address of the host, and its socket inside."""

    __slots__ = ("_loop", "_place", "_port", "address", "heard", "socket")

    def __init__(self, loop: Loop, port: "Port", address: "Any") -> None:
        self._loop = loop
        self._port = port
        self._place = -1
        self.address = address
        self.heard = 0.0
        self.socket: socket | None = None
        self._connect()

    def _connect(self) -> None:
        """Connect to the next place inside: a program may listen on IPv4 or on IPv6 only."""
        self.close()
        while self.socket is None and self._place + 1 < len(INSIDE):
            self._place += 1
            family, address = INSIDE[self._place]
            try:
                self.socket = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
                self.socket.connect((address, self._port.inside))
            except OSError:
                self.close()
        if self.socket is not None:
            self._loop.watch(self.socket.fileno(), self._on_answers, EPOLLIN)

    def send(self, data: memoryview) -> None:
        """Send a datagram inside. Like any datagram it may get lost."""
        if self.socket is None:
            return
        try:
            self.socket.send(data)
        except BlockingIOError:
            return
        except OSError:  # nobody listens there: the answer to an earlier datagram
            self._connect()

    def _on_answers(self, _events: int) -> None:
        window = self._port.window
        for _ in range(_AT_ONCE):
            if self.socket is None:
                return
            try:
                count = self.socket.recv_into(window)
            except BlockingIOError:
                return
            except OSError:
                self._connect()
                return
            self._port.answer(window[:count], self)

    def close(self) -> None:
        """Forget it."""
        if self.socket is not None:
            self._loop.forget(self.socket.fileno())
            self.socket.close()
            self.socket = None


class Port:
    """A socket of the host, the port inside that it stands for, and its clients."""

    __slots__ = ("_clients", "_limit", "_loop", "_socket", "inside", "window")

    def __init__(self, loop: Loop, one: socket, inside: int, limit: int = CLIENTS_MAX) -> None:
        self._loop = loop
        self._socket = one
        self._limit = limit
        self._clients: dict[Any, Client] = {}
        self.inside = inside
        self.window = memoryview(bytearray(_LARGEST))
        loop.watch(one.fileno(), self._on_datagrams, EPOLLIN)

    def _on_datagrams(self, _events: int) -> None:
        now = monotonic()
        for _ in range(_AT_ONCE):
            try:
                count, address = self._socket.recvfrom_into(self.window)
            except OSError:
                return
            client = self._clients.pop(address, None)
            if client is None:
                while len(self._clients) >= self._limit:
                    self._clients.pop(next(iter(self._clients))).close()
                client = Client(self._loop, self, address)
            self._clients[address] = client  # as the last one
            client.heard = now
            client.send(self.window[:count])
            if client.socket is None:
                del self._clients[address]

    def answer(self, data: memoryview, client: Client) -> None:
        """Send an answer of the inside to the client."""
        client.heard = monotonic()
        if self._clients.get(client.address) is client:
            self._clients[client.address] = self._clients.pop(client.address)
        try:
            self._socket.sendto(data, client.address)
        except OSError:
            return  # lost, as datagrams are

    def sweep(self) -> None:
        """Forget the clients that have been silent for too long."""
        before = monotonic() - SILENT_S
        while self._clients:
            address = next(iter(self._clients))
            if self._clients[address].heard > before:
                return
            self._clients.pop(address).close()

    def stop(self) -> None:
        """Close everything."""
        self._loop.forget(self._socket.fileno())
        self._socket.close()
        for client in self._clients.values():
            client.close()
        self._clients = {}
