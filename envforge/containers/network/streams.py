"""Published TCP ports: accepts on the host, connects inside, and carries bytes both ways.

Bytes are spliced through one of a few pipes. Where none is free nothing is stored between the two sockets'
buffers: bytes are looked at (MSG_PEEK), sent as far as the other side takes them, and only those taken out.
So memory does not grow with the number of slow readers, and a slow reader slows down the writer. What one
side tells of its end, the other is told: half-closes and resets.
"""

from _socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_TCP,
    MSG_PEEK,
    MSG_TRUNC,
    SHUT_WR,
    SO_ERROR,
    SO_LINGER,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
    socket,
)
from errno import EINPROGRESS, EMFILE, ENFILE

from envforge.containers.network.loop import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, Loop
from envforge.containers.network.pipes import Pipe, Pipes

INSIDE = ((AF_INET, "127.0.0.1"), (AF_INET6, "::1"))
"""Where a port is looked for inside, in this order: some programs listen on one of the two only."""
CHUNK_BYTES = 256 << 10
_ROUNDS = 4
"""How many chunks one connection carries before the others get their turn."""
_ACCEPTED_AT_ONCE = 128
_RESET = (1).to_bytes(4, "little") + bytes(4)
"""struct linger: on, and for no time, so that closing resets."""


class Streams:
    """The listening sockets of the host, and the connections that came of them."""

    __slots__ = ("_connections", "_is_paused", "_limit", "_listeners", "_loop", "pipes", "window")

    def __init__(self, loop: Loop, limit: int) -> None:
        self._loop = loop
        self._limit = limit
        self._listeners: list[socket] = []
        self._connections: set[Connection] = set()
        self._is_paused = False
        self.window = memoryview(bytearray(CHUNK_BYTES))
        """Through which bytes go that find no pipe, of one connection at a time."""
        self.pipes = Pipes()

    def add(self, listener: socket, port: int) -> None:
        """Lead the connections to a listening socket to that port inside."""

        def on_callers(_events: int) -> None:
            self._accept(listener, port)

        self._listeners.append(listener)
        self._loop.watch(listener.fileno(), on_callers, EPOLLIN)

    def _accept(self, listener: socket, port: int) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if len(self._connections) >= self._limit:
                self._pause()
                return
            try:
                descriptor, _ = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (EMFILE, ENFILE):
                    self._pause()
                    return
                continue  # the caller is gone already
            caller = socket(listener.family, SOCK_STREAM, 0, descriptor)
            caller.setblocking(False)
            connection = Connection(self, self._loop, caller, port)
            self._connections.add(connection)
            connection.connect()

    def _pause(self) -> None:
        """Leave further callers waiting in the kernel until a connection has ended."""
        self._is_paused = True
        for listener in self._listeners:
            self._loop.change(listener.fileno(), -1)

    def ended(self, connection: "Connection") -> None:
        """Note that a connection has ended."""
        self._connections.discard(connection)
        if self._is_paused:
            self._is_paused = False
            for listener in self._listeners:
                self._loop.change(listener.fileno(), EPOLLIN)

    def stop(self) -> None:
        """Take no more callers; the connections go on."""
        self._is_paused = False
        for listener in self._listeners:
            self._loop.forget(listener.fileno())
            listener.close()
        self._listeners = []

    @property
    def is_idle(self) -> bool:
        """Whether there are no connections."""
        return not self._connections


class Side:
    """One socket of a connection, and the direction that is read from it."""

    __slots__ = ("has_ended", "has_hung_up", "is_blocked", "number", "pipe", "socket")

    def __init__(self, one: socket) -> None:
        self.socket = one
        self.number = one.fileno()
        self.has_ended = False
        """Its end of data has been passed on."""
        self.is_blocked = False
        """The other side does not take its data at the moment."""
        self.has_hung_up = False
        """It ended while it was blocked: what it has sent still waits."""
        self.pipe: Pipe | None = None
        """Its data that the other side has not taken yet."""


class Connection:
    """A caller on the host and its counterpart inside."""

    __slots__ = ("_caller", "_inside", "_loop", "_port", "_streams", "_tried")

    def __init__(self, streams: Streams, loop: Loop, caller: socket, port: int) -> None:
        self._streams = streams
        self._loop = loop
        self._caller = Side(caller)
        self._inside = self._caller
        self._port = port
        self._tried = 0

    def connect(self) -> None:
        """Connect inside, at the next place that was not tried yet; reset the caller if there is none."""
        while self._tried < len(INSIDE):
            family, address = INSIDE[self._tried]
            self._tried += 1
            try:
                inside = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
            except OSError:
                continue  # no IPv6, or no descriptor left
            if inside.connect_ex((address, self._port)) in (0, EINPROGRESS):
                self._inside = Side(inside)
                self._loop.watch(inside.fileno(), self._on_connected, EPOLLOUT)
                return
            inside.close()
        self._close(_RESET)

    def _on_connected(self, _events: int) -> None:
        inside = self._inside
        if inside.socket.getsockopt(SOL_SOCKET, SO_ERROR):
            self._loop.forget(inside.number)
            inside.socket.close()
            self._inside = self._caller
            self.connect()
            return
        for side in (self._caller, inside):
            side.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self._loop.watch(inside.number, self._on_inside, EPOLLIN)
        self._loop.watch(self._caller.number, self._on_caller, EPOLLIN)

    def _on_caller(self, events: int) -> None:
        self._on(self._caller, self._inside, events)

    def _on_inside(self, events: int) -> None:
        self._on(self._inside, self._caller, events)

    def _on(self, side: Side, other: Side, events: int) -> None:
        try:
            if events & EPOLLOUT and other.is_blocked:
                other.is_blocked = False
                self._carry(other, side)
            if events & ~EPOLLOUT:
                self._on_data(side, other, events)
        except OSError:
            self._close(_RESET)
            return
        if side.has_ended and other.has_ended:
            self._close()
            return
        self._wait(side, other)
        self._wait(other, side)

    def _on_data(self, side: Side, other: Side, events: int) -> None:
        if not side.is_blocked and not side.has_ended:
            self._carry(side, other)
        elif events & (EPOLLERR | EPOLLHUP):
            if side.has_ended:
                raise ConnectionResetError
            side.has_hung_up = True

    def _carry(self, side: Side, other: Side) -> None:
        """Carry what one side has sent, as far as the other takes it."""
        pipes = self._streams.pipes
        pipe = side.pipe or pipes.take()
        if pipe is None:
            self._copy(side, other)
            return
        side.pipe = pipe
        self._splice(pipe, side, other)
        if not side.is_blocked:
            side.pipe = None
            pipes.give_back(pipe)

    def _splice(self, pipe: Pipe, side: Side, other: Side) -> None:
        try:
            pipe.drain(other.number)
        except BlockingIOError:
            side.is_blocked = True
            return
        for _ in range(_ROUNDS):
            try:
                if not pipe.fill(side.number):
                    side.has_ended = True
                    other.socket.shutdown(SHUT_WR)
                    return
            except BlockingIOError:
                return
            try:
                pipe.drain(other.number)
            except BlockingIOError:
                side.is_blocked = True
                return

    def _copy(self, side: Side, other: Side) -> None:
        window = self._streams.window
        for _ in range(_ROUNDS):
            try:
                count = side.socket.recv_into(window, CHUNK_BYTES, MSG_PEEK)
            except BlockingIOError:
                return
            if count == 0:
                side.has_ended = True
                other.socket.shutdown(SHUT_WR)
                return
            try:
                sent = other.socket.send(window[:count])
            except BlockingIOError:
                sent = 0
            if sent:
                side.socket.recv_into(window, sent, MSG_TRUNC)  # takes it out without a copy (tcp(7))
            if sent < count:
                side.is_blocked = True
                return
            if count < CHUNK_BYTES:
                return

    def _wait(self, side: Side, other: Side) -> None:
        """Wait for what can go on: data of a side that is not blocked, room for the other's that is."""
        events = 0 if side.has_ended or side.is_blocked else EPOLLIN
        if other.is_blocked:
            events |= EPOLLOUT
        if not events and side.has_hung_up:
            events = -1
        self._loop.change(side.number, events)

    def _close(self, linger: bytes = b"") -> None:
        """Close both sockets; with `_RESET` the other ends are told that it was no proper end."""
        for side in {self._caller, self._inside}:
            self._loop.forget(side.number)
            if linger:
                side.socket.setsockopt(SOL_SOCKET, SO_LINGER, linger)
            side.socket.close()
            if side.pipe is not None:
                self._streams.pipes.give_back(side.pipe)
                side.pipe = None
        self._streams.ended(self)
