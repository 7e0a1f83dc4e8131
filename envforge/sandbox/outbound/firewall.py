"""Tables of nf_tables in this process's network namespace, which end with the process that made them.

A table with an owner (Linux 5.12) can be changed by nobody else, and the kernel removes it as soon as the
netlink socket that made it is closed, by a kill too. So there is nothing to sweep, and no program is needed.
The messages are those of linux/netfilter/nf_tables.h, with numbers in network byte order.
"""

import os
from _socket import AF_NETLINK, SO_RCVTIMEO, SOCK_CLOEXEC, SOCK_RAW, SOL_SOCKET, inet_aton, socket
from struct import pack, unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Expressions = tuple[bytes, ...]

_NETLINK_NETFILTER = 12
_NFTABLES = 10
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEWTABLE, _NEWCHAIN, _GETCHAIN, _NEWRULE = (_NFTABLES << 8 | number for number in (0, 3, 4, 6))
_REQUEST, _ACK, _CREATE, _APPEND, _DUMP = 0x1, 0x4, 0x400, 0x800, 0x300
_ERROR, _DONE = 2, 3
_UNSPECIFIED, _INET, _IPV4, _DEVICE = 0, 1, 2, 5
_OWNER = 0x2
_REGISTER = 1
_OIFNAME, _PROTOCOL = 7, 15
_ADDRESS_TYPE, _DESTINATION = 3, 2
_UNICAST = pack("=I", 1)
"""RTN_UNICAST (linux/rtnetlink.h): an address that a route leads to."""
_NETWORK_HEADER, _SOURCE = 1, 12
_ICMPX, _PORT = 2, 1
_EQUAL, _UNEQUAL = 0, 1
_NEW_STATE = pack("=I", 1 << 3)
"""The bit of IP_CT_NEW (linux/netfilter/nf_conntrack_common.h)."""
_DROP, _ACCEPT = 0, 1
_HEADER, _GENERIC = 16, 4
_LARGEST = 1 << 17
_PATIENCE = pack("@ll", 5, 0)  # struct timeval

FORWARD, POSTROUTING = ("forward", 2), ("postrouting", 4)
"""Hooks: a chain's name here, and the hook's number."""
INGRESS = ("ingress", 0)
"""The hook of one interface: what comes by others costs nothing."""


class Table:
    """Chains and rules, which are there as long as this process does not close them."""

    __slots__ = ("_families", "_messages", "_name", "_socket")

    def __init__(self, name: str) -> None:
        self._socket = _opened()
        self._name = _attribute(1, _text(name))
        self._messages: list[bytes] = []
        self._families: set[int] = set()

    def add_chain(self, hook: "tuple[str, int]", interface: str = "", *, drops: bool = False) -> None:
        """Add a chain at one of the hooks: POSTROUTING is for translating addresses, INGRESS of an interface.

        `drops`: what no rule of it accepts.
        """
        name, number = hook
        family = _family(hook)
        if family not in self._families:
            self._families.add(family)
            table = _message(_NEWTABLE, _CREATE | _ACK, family, self._name + _number(2, _OWNER))
            self._messages.append(table)
        kind, priority = ("nat", 100) if hook == POSTROUTING else ("filter", 0)
        device = _attribute(3, _text(interface)) if interface else b""
        place = _nested(4, _number(1, number) + _number(2, priority) + device)
        chain = self._name + _attribute(3, _text(name)) + place + _attribute(7, _text(kind))
        chain += _number(5, _DROP if drops else _ACCEPT)
        self._messages.append(_message(_NEWCHAIN, _CREATE | _ACK, family, chain))

    def add_rule(self, hook: "tuple[str, int]", *parts: "Expressions") -> None:
        """Add a rule of such parts as the functions below return: all has to match, the last one acts."""
        listed = b"".join(_nested(1, one) for part in parts for one in part)
        rule = self._name + _attribute(2, _text(hook[0])) + _nested(4, listed)
        self._messages.append(_message(_NEWRULE, _CREATE | _APPEND | _ACK, _family(hook), rule))

    def make(self) -> None:
        """Make all of it, or nothing. Raises OSError where the kernel has no such tables."""
        begin, end = (_message(kind, 0, _UNSPECIFIED, b"", _NFTABLES) for kind in (_BATCH_BEGIN, _BATCH_END))
        waiting = len(self._messages)
        self._socket.send(b"".join((begin, *self._messages, end)))
        while waiting:
            for kind, body in _messages_of(self._socket.recv(_LARGEST)):
                if kind == _ERROR:
                    _check(body)
                    waiting -= 1

    def close(self) -> None:
        """Remove the table."""
        self._socket.close()


def is_for_here() -> "Expressions":
    """Match what is for this host itself, or for everybody."""
    look_up = _number(1, _REGISTER) + _number(2, _ADDRESS_TYPE) + _number(3, _DESTINATION)
    return _expression("fib", look_up), _compare(_UNICAST, _UNEQUAL)


def leaves_by(name: str) -> "Expressions":
    """Match what goes out by an interface."""
    return _meta(_OIFNAME, name.encode() + b"\0")


def comes_from(address: str) -> "Expressions":
    """Match packets of IPv4 with that source."""
    load = _number(1, _REGISTER) + _number(2, _NETWORK_HEADER) + _number(3, _SOURCE) + _number(4, 4)
    return (
        *_meta(_PROTOCOL, bytes((_IPV4,))),
        _expression("payload", load),
        _compare(inet_aton(address)),
    )


def is_new() -> "Expressions":
    """Match what begins a connection."""
    state = _number(1, _REGISTER) + _number(2, 0)
    mask = _nested(4, _attribute(1, _NEW_STATE)) + _nested(5, _attribute(1, bytes(4)))
    masked = _number(1, _REGISTER) + _number(2, _REGISTER) + _number(3, 4) + mask
    return _expression("ct", state), _expression("bitwise", masked), _compare(bytes(4), _UNEQUAL)


def masquerade() -> "Expressions":
    """Give packets the address of the interface that they leave by, and translate the answers back."""
    return (_expression("masq", b""),)


def refuse() -> "Expressions":
    """Answer that nobody listens there."""
    return (_expression("reject", _number(1, _ICMPX) + _attribute(2, bytes((_PORT,)))),)


def drops_forwarded() -> str:
    """Return the name of a table that drops what is forwarded unless it knows it, "" if there is none."""
    opened = _opened()
    try:
        opened.send(_message(_GETCHAIN, _DUMP, _UNSPECIFIED, b""))
        while True:
            for kind, body in _messages_of(opened.recv(_LARGEST)):
                if kind == _DONE:
                    return ""
                if kind == _ERROR:
                    _check(body)
                    return ""
                found = dict(_attributes(body[_GENERIC:]))
                hook = dict(_attributes(found.get(4, b"")))
                if hook.get(1) == pack(">I", FORWARD[1]) and found.get(5) == pack(">I", _DROP):
                    return found[1].rstrip(b"\0").decode(errors="replace")
    finally:
        opened.close()


def _opened() -> socket:
    opened = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, _NETLINK_NETFILTER)
    opened.setsockopt(SOL_SOCKET, SO_RCVTIMEO, _PATIENCE)
    opened.bind((0, 0))
    return opened


def _family(hook: "tuple[str, int]") -> int:
    return _DEVICE if hook == INGRESS else _INET


def _check(body: bytes) -> None:
    number = -unpack_from("=i", body)[0]
    if number:
        raise OSError(number, os.strerror(number), "nf_tables")


def _messages_of(data: bytes) -> "Iterator[tuple[int, bytes]]":
    at = 0
    while at + _HEADER <= len(data):
        length, kind = unpack_from("=IH", data, at)
        yield kind, data[at + _HEADER : at + length]
        at += (length + 3) & ~3


def _attributes(data: bytes) -> "Iterator[tuple[int, bytes]]":
    at = 0
    while at + 4 <= len(data):
        length, kind = unpack_from("=HH", data, at)
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += (length + 3) & ~3


def _message(kind: int, flags: int, family: int, body: bytes, resource: int = 0) -> bytes:
    generic = pack(">BBH", family, 0, resource)
    return pack("=IHHII", _HEADER + _GENERIC + len(body), kind, flags | _REQUEST, 1, 0) + generic + body


def _expression(name: str, data: bytes) -> bytes:
    return _attribute(1, _text(name)) + _nested(2, data)


def _meta(key: int, value: bytes) -> "Expressions":
    return _expression("meta", _number(1, _REGISTER) + _number(2, key)), _compare(value)


def _compare(value: bytes, operation: int = _EQUAL) -> bytes:
    data = _nested(3, _attribute(1, value))
    return _expression("cmp", _number(1, _REGISTER) + _number(2, operation) + data)


def _text(text: str) -> bytes:
    return text.encode() + b"\0"


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, pack(">I", value))


def _nested(kind: int, data: bytes) -> bytes:
    return _attribute(kind | 0x8000, data)


def _attribute(kind: int, data: bytes) -> bytes:
    return pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)
