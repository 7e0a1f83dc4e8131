"""Opens the host's sockets of published ports, before anything is started: a taken port fails at once.

Loaded on the warm path.
"""

from _socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_IPV6,
    IPV6_V6ONLY,
    SO_REUSEADDR,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOL_SOCKET,
    socket,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from envforge.containers.network.published import Published

_WAITING = 4096
"""Connections that wait to be accepted; the kernel's own bound is net.core.somaxconn."""


class RefusedPortError(OSError):
    """A port that the host does not give. `conflicts.explained` says why, and who has it."""

    def __init__(self, published: "Published", error: OSError) -> None:
        super().__init__(error.errno, error.strerror)
        self.published = published


class Listening:
    """The open sockets, in the order in which their ports were asked for."""

    __slots__ = ("free", "ports", "sockets")

    def __init__(self) -> None:
        self.ports: tuple[Published, ...] = ()
        """As published: with the real number where a free port was asked for."""
        self.free: tuple[Published, ...] = ()
        """Those of them that the kernel has chosen."""
        self.sockets: list[socket] = []

    def close(self) -> None:
        """Close this process's copies. The proxy goes on with its own."""
        for one in self.sockets:
            one.close()
        self.sockets = []


def listen(published: "Iterable[Published]") -> Listening:
    """Open a socket for each port; none is left open where one fails. Raises RefusedPortError."""
    found = Listening()
    ports: list[Published] = []
    for one in published:
        try:
            opened = _open(one)
        except OSError as error:
            found.close()
            raise RefusedPortError(one, error) from None
        found.sockets.append(opened)
        address, _, container, protocol = one
        ports.append((address, opened.getsockname()[1], container, protocol))
        if not one[1]:
            found.free = (*found.free, ports[-1])
    found.ports = tuple(ports)
    return found


def _open(published: "Published") -> socket:
    address, port, _, protocol = published
    family = AF_INET6 if ":" in address else AF_INET
    is_stream = protocol == "tcp"
    opened = socket(family, (SOCK_STREAM if is_stream else SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC)
    try:
        if family == AF_INET6:
            opened.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1)
        if is_stream:
            # Connections of the last run may still be in TIME_WAIT. For UDP it would let two share a port.
            opened.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        opened.bind((address, port))
        if is_stream:
            opened.listen(_WAITING)
    except BaseException:
        opened.close()
        raise
    return opened
