"""Published ports as the screens write them, and the address that a browser would open."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from envforge.tui.core.grid import Cell, Column, Row

_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (what others listen on)
_LOOPBACK: Final = ("127.0.0.1", "::1")
_USUAL: Final = 443
COLUMNS: Final = (
    Column("port", "PORT", 16, most=44, stretch=True),
    Column("address", "ADDRESS", 20, most=50),
)

Port = Mapping[str, Any]


def short(port: Port) -> str:
    """Return a port briefly: `8080→80`; where it is not on this machine only, the address before it."""
    where = "" if port["address"] in _LOOPBACK else f"{_written(port['address'])}:"
    kind = "" if port["protocol"] == "tcp" else f"/{port['protocol']}"
    return f"{where}{port['host']}→{port['container']}{kind}"


def whole(port: Port) -> str:
    """Return a port as `ps` writes it."""
    return f"{_written(port['address'])}:{port['host']}->{port['container']}/{port['protocol']}"


def address(port: Port) -> str:
    """Return where it can be reached from this machine: an address for browsers, where it is TCP."""
    listening = str(port["address"])
    place = f"{_written(_ANY.get(listening, listening))}:{int(port['host'])}"
    if port["protocol"] != "tcp":
        return place
    return f"{'https' if port['container'] == _USUAL else 'http'}://{place}/"


def rows(ports: Sequence[Port]) -> tuple[Row, ...]:
    """Return the ports to choose from."""
    return tuple(Row(address(one), (Cell(whole(one)), Cell(address(one), "accent"))) for one in ports)


def _written(text: str) -> str:
    return f"[{text}]" if ":" in text else text
