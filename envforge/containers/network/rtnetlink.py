"""Bridges, veth pairs, addresses and routes of this process's network namespace (rtnetlink(7)).

Six kinds of message are all that a project's network takes. A library for all of netlink loads for 150 ms and
would be held in memory by each supervisor.
"""

import os
from _socket import AF_INET, AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW, if_nametoindex, inet_aton, socket
from struct import pack, unpack_from

_REQUEST_ACK = 0x1 | 0x4
_NEW = _REQUEST_ACK | 0x200 | 0x400  # NLM_F_EXCL | NLM_F_CREATE
_ERROR = 2
_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE = 16, 17, 20, 24
_IFNAME, _MASTER, _LINKINFO, _NET_NS_FD = 3, 10, 18, 28
_INFO_KIND, _INFO_DATA, _PEER = 1, 2, 1
_ADDRESS, _LOCAL = 1, 2
_GATEWAY = 5
_UP = 0x1
_MAIN, _STATIC, _UNICAST = 254, 4, 1
_HEADER = 16
_LARGEST = 1 << 16


class Links:
    """A netlink socket in the network namespace in which this process is when it makes it."""

    __slots__ = ("_socket",)

    def __init__(self) -> None:
        self._socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def add_bridge(self, name: str) -> None:
        """Add a bridge, which is up."""
        kind = _attribute(_INFO_KIND, b"bridge")
        self._ask(_NEWLINK, _NEW, _link(up=True) + _named(name) + _attribute(_LINKINFO, kind))

    def add_veth(self, name: str, master: str, peer: str, namespace: int) -> None:
        """Add a veth pair: one end here, up and a port of the bridge `master`, its `peer` in `namespace`.

        That is a descriptor of a network namespace.
        """
        other = _link() + _named(peer) + _attribute(_NET_NS_FD, pack("=I", namespace))
        data = _attribute(_INFO_DATA, _attribute(_PEER, other))
        info = _attribute(_LINKINFO, _attribute(_INFO_KIND, b"veth") + data)
        bridge = _attribute(_MASTER, pack("=I", if_nametoindex(master)))
        self._ask(_NEWLINK, _NEW, _link(up=True) + _named(name) + bridge + info)

    def bring_up(self, name: str) -> None:
        """Bring up an interface."""
        self._ask(_NEWLINK, _REQUEST_ACK, _link(up=True, index=if_nametoindex(name)))

    def remove(self, name: str) -> None:
        """Remove an interface, and its peer if it has one."""
        self._ask(_DELLINK, _REQUEST_ACK, _link(index=if_nametoindex(name)))

    def add_address(self, name: str, address: str, prefix: int) -> None:
        """Give an interface an IPv4 address."""
        packed = inet_aton(address)
        head = pack("=BBBBI", AF_INET, prefix, 0, 0, if_nametoindex(name))
        self._ask(_NEWADDR, _NEW, head + _attribute(_LOCAL, packed) + _attribute(_ADDRESS, packed))

    def add_default_route(self, gateway: str) -> None:
        """Send to that address what is for no network that is known."""
        head = pack("=BBBBBBBBI", AF_INET, 0, 0, 0, _MAIN, _STATIC, 0, _UNICAST, 0)
        self._ask(_NEWROUTE, _NEW, head + _attribute(_GATEWAY, inet_aton(gateway)))

    def _ask(self, kind: int, flags: int, body: bytes) -> None:
        """Send a request and wait until it is done. Raises OSError with the kernel's reason."""
        self._socket.send(pack("=IHHII", _HEADER + len(body), kind, flags, 1, 0) + body)
        answer = self._socket.recv(_LARGEST)
        _, answered, _, _, _, error = unpack_from("=IHHIIi", answer)
        if answered == _ERROR and error:
            raise OSError(-error, os.strerror(-error))


def _link(*, up: bool = False, index: int = 0) -> bytes:
    """Return a struct ifinfomsg."""
    return pack("=BBHiII", 0, 0, 0, index, _UP if up else 0, _UP if up else 0)


def _named(name: str) -> bytes:
    return _attribute(_IFNAME, name.encode() + b"\0")


def _attribute(kind: int, data: bytes) -> bytes:
    """Return a struct rtattr with its data, padded to four bytes."""
    return pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)
