"""Published ports, as `-p` and a spec write them: `[ADDRESS:]PORT:PORT[/udp]`, the host's port first.

The warm path loads it where a command line publishes ports, so it imports only `_socket`.
"""

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

Published = tuple[str, int, int, str]
"""Address and port of the host, port inside, `tcp` or `udp`. Port 0 of the host: one that is free."""

LOOPBACK = "127.0.0.1"
_PORTS = 1 << 16
_DIGITS = 5
_MAX = 1024
"""How many ports one container may publish: each is a socket of the proxy's."""
_FORM = "write [ADDRESS:]PORT:PORT[/udp] with the host's port first, such as 3000:3000 or auto:3000"


class PublishError(ValueError):
    """Text that names no ports. Not an EnvforgeError: the warm path may not import those."""

    def __init__(self, message: str, *, hint: str = _FORM) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def published_of(text: str) -> "list[Published]":
    """Return the ports that a text publishes, a range's one by one. Raises PublishError."""
    ports, slash, protocol = text.partition("/")
    if slash and protocol not in ("tcp", "udp"):
        raise PublishError(f"{text!r}: {protocol!r} is no protocol", hint="write /tcp or /udp")
    rest, colon, inside = ports.rpartition(":")
    address, _, outside = rest.rpartition(":")
    if not colon or not outside:
        raise PublishError(f"{text!r} names no ports of the host and inside", hint=_missing(ports))
    place = _address(address, text) if address else LOOPBACK
    container = _range(inside, text)
    host = [0] * len(container) if outside == "auto" else list(_range(outside, text))
    if len(host) != len(container):
        raise PublishError(
            f"{text!r} publishes {len(container)} ports as {len(host)}", hint="write ranges of equal length"
        )
    return [(place, one, other, protocol or "tcp") for one, other in zip(host, container, strict=True)]


def all_of(texts: "Iterable[str]") -> "tuple[Published, ...]":
    """Return the ports that all these texts publish. Raises PublishError where two want the same one."""
    found: list[Published] = []
    taken: dict[tuple[str, int, str], str] = {}
    for text in texts:
        for one in published_of(text):
            place = (one[0], one[1], one[3])
            if one[1] and place in taken:
                raise PublishError(
                    f"{text!r} publishes port {one[1]} of {one[0]} once more, after {taken[place]!r}",
                    hint="publish each port of the host once",
                )
            taken[place] = text
            found.append(one)
    if len(found) > _MAX:
        raise PublishError(f"{len(found)} ports are too many", hint=f"publish at most {_MAX}")
    return tuple(found)


def text_of(published: "Published") -> str:
    """Return one published port in the form that `published_of` reads; TCP is not named."""
    address, host, container, protocol = published
    place = f"[{address}]" if ":" in address else address
    return f"{place}:{host or 'auto'}:{container}" + (f"/{protocol}" if protocol != "tcp" else "")


def _missing(ports: str) -> str:
    return (
        f"write {ports}:{ports}, or auto:{ports} for a free port of the host" if ports.isdecimal() else _FORM
    )


def _address(text: str, whole: str) -> str:
    bare = text[1:-1] if text[0] == "[" and text[-1] == "]" else text
    family = AF_INET6 if bare != text else AF_INET
    try:
        return inet_ntop(family, inet_pton(family, bare))
    except (OSError, ValueError):
        raise PublishError(
            f"{whole!r}: {text} is no address", hint="write numbers: 0.0.0.0, or [::1] for IPv6"
        ) from None


def _range(text: str, whole: str) -> range:
    first, dash, last = text.partition("-")
    numbers = [first, last] if dash else [first]
    if not all(
        one.isascii() and one.isdecimal() and len(one) <= _DIGITS and 0 < int(one) < _PORTS for one in numbers
    ):
        raise PublishError(f"{whole!r}: {text!r} is no port", hint="a port is a number from 1 to 65535")
    found = range(int(first), int(numbers[-1]) + 1)
    if not found:
        raise PublishError(f"{whole!r}: the range {text} is empty", hint=f"write {last}-{first}")
    return found
