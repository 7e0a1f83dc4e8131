"""Bridges, veth pairs, addresses and routes of this process's network namespace (rtnetlink(7)).

A few kinds of message are all that private networks take. A library for all of netlink loads for 150 ms and
would be held in memory by each supervisor.
"""

import os
from _socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    SOCK_CLOEXEC,
    SOCK_RAW,
    if_nametoindex,
    inet_ntop,
    inet_pton,
    socket,
)
from struct import pack, unpack_from

_REQUEST_ACK = 0x1 | 0x4
_NEW = _REQUEST_ACK | 0x200 | 0x400  # NLM_F_EXCL | NLM_F_CREATE
_DUMP = 0x1 | 0x300
_ERROR, _DONE = 2, 3
_NEWLINK, _DELLINK, _NEWADDR, _GETADDR, _NEWROUTE = 16, 17, 20, 22, 24
_IFNAME, _MASTER, _LINKINFO, _NET_NS_FD = 3, 10, 18, 28
_INFO_KIND, _INFO_DATA, _PEER = 1, 2, 1
_ADDRESS, _LOCAL = 1, 2
_DESTINATION, _GATEWAY = 1, 5
_UP = 0x1
_NO_DETECTION = 0x2
_MAIN, _STATIC, _UNICAST, _UNREACHABLE = 254, 4, 1, 7
_HOST_BITS = {AF_INET: 32, AF_INET6: 128}
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
        """Add a veth pair: one end here, its `peer` in `namespace`, a descriptor of a network namespace.

        The end here is up and a port of the bridge `master`, if that is named.
        """
        other = _link() + _named(peer) + _attribute(_NET_NS_FD, pack("=I", namespace))
        data = _attribute(_INFO_DATA, _attribute(_PEER, other))
        info = _attribute(_LINKINFO, _attribute(_INFO_KIND, b"veth") + data)
        bridge = _attribute(_MASTER, pack("=I", if_nametoindex(master))) if master else b""
        self._ask(_NEWLINK, _NEW, _link(up=bool(master)) + _named(name) + bridge + info)

    def bring_up(self, name: str) -> None:
        """Bring up an interface."""
        self._ask(_NEWLINK, _REQUEST_ACK, _link(up=True, index=if_nametoindex(name)))

    @staticmethod
    def index(name: str) -> int:
        """Return the number of an interface."""
        return if_nametoindex(name)

    def remove(self, name: str) -> None:
        """Remove an interface, and its peer if it has one."""
        self._ask(_DELLINK, _REQUEST_ACK, _link(index=if_nametoindex(name)))

    def remove_if_there(self, name: str) -> None:
        """Remove an interface, if there is one of that name."""
        try:
            self.remove(name)
        except OSError:
            return

    def add_address(self, name: str, address: str, prefix: int) -> None:
        """Give an interface an address, which can be used at once."""
        family, packed = _packed(address)
        head = pack("=BBBBI", family, prefix, _NO_DETECTION, 0, if_nametoindex(name))
        self._ask(_NEWADDR, _NEW, head + _attribute(_LOCAL, packed) + _attribute(_ADDRESS, packed))

    def add_default_route(self, gateway: str) -> None:
        """Send to that address what is for no network that is known."""
        family, packed = _packed(gateway)
        head = pack("=BBBBBBBBI", family, 0, 0, 0, _MAIN, _STATIC, 0, _UNICAST, 0)
        self._ask(_NEWROUTE, _NEW, head + _attribute(_GATEWAY, packed))

    def make_unreachable(self, address: str) -> None:
        """Refuse what is for that address."""
        family, packed = _packed(address)
        head = pack("=BBBBBBBBI", family, _HOST_BITS[family], 0, 0, _MAIN, _STATIC, 0, _UNREACHABLE, 0)
        self._ask(_NEWROUTE, _NEW, head + _attribute(_DESTINATION, packed))

    def addresses(self, family: int) -> "list[str]":
        """Return all addresses of this network namespace of AF_INET or AF_INET6."""
        self._socket.send(
            pack("=IHHII", _HEADER + 8, _GETADDR, _DUMP, 1, 0) + pack("=BBBBI", family, 0, 0, 0, 0)
        )
        found: list[str] = []
        while True:
            data, at = self._socket.recv(_LARGEST), 0
            while at + _HEADER <= len(data):
                length, kind = unpack_from("=IH", data, at)
                if kind in (_DONE, _ERROR):
                    return found
                found += _address_in(data[at + _HEADER + 8 : at + length], family)
                at += (length + 3) & ~3

    def _ask(self, kind: int, flags: int, body: bytes) -> None:
        """Send a request and wait until it is done. Raises OSError with the kernel's reason."""
        self._socket.send(pack("=IHHII", _HEADER + len(body), kind, flags, 1, 0) + body)
        answer = self._socket.recv(_LARGEST)
        _, answered, _, _, _, error = unpack_from("=IHHIIi", answer)
        if answered == _ERROR and error:
            raise OSError(-error, os.strerror(-error))


def _packed(address: str) -> "tuple[int, bytes]":
    family = AF_INET6 if ":" in address else AF_INET
    return family, inet_pton(family, address)


def _address_in(attributes: bytes, family: int) -> "list[str]":
    """Return the address of a message of RTM_NEWADDR: the local one, where a peer has another."""
    found, at = {}, 0
    while at + 4 <= len(attributes):
        length, kind = unpack_from("=HH", attributes, at)
        found[kind] = attributes[at + 4 : at + length]
        at += (length + 3) & ~3
    packed = found.get(_LOCAL) or found.get(_ADDRESS)
    return [inet_ntop(family, packed)] if packed else []


def _link(*, up: bool = False, index: int = 0) -> bytes:
    """Return a struct ifinfomsg."""
    return pack("=BBHiII", 0, 0, 0, index, _UP if up else 0, _UP if up else 0)


def _named(name: str) -> bytes:
    return _attribute(_IFNAME, name.encode() + b"\0")


def _attribute(kind: int, data: bytes) -> bytes:
    """Return a struct rtattr with its data, padded to four bytes."""
    return pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)
