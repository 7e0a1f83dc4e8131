"""Pins of `[[fetch]]` as tables of the lock: the content of an address is written once.

    [fetch.files]                                SHA-256 and size of what lies at an address
    "https://example.org/tool-1.2.tar.gz" = "2c26… 183024"

    [fetch.environments.default]                 entries by architecture, the lowest layer first
    amd64 = ["https://example.org/tool-1.2.tar.gz unpack strip=1 /opt/tool"]

If an environment has other bytes of an address than `fetch.files`, its line has them before the target:
`sha256=2c26…:183024`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from envforge.digest import is_sha256
from envforge.sources import tables
from envforge.sources.fetch.model import Fetched, Pin, Request
from envforge.sources.interface import Place, Table
from envforge.spec.grammar import FETCH_TARGET, FETCHED, MODE
from envforge.spec.keys import written

if TYPE_CHECKING:
    from envforge.spec.from_outside import Fetch

_ARCHITECTURE: Final = r"[a-z][a-z0-9-]*"
_SIZE_DIGITS_MAX: Final = 19
_STRIP_MAX: Final = 64


def request_table(request: Request) -> list[dict[str, Any]]:
    """Return the spec's entries as tables, as the spec writes them."""
    return [written(one) for one in request]


def request_of(values: Any) -> Request:
    """Return the request that `request_table` wrote. Raises KeyError, TypeError, ValueError if broken."""
    if not isinstance(values, list):
        raise TypeError("fetch must be a list of tables")
    return tuple(map(_fetch, values))


def _fetch(table: Any) -> "Fetch":
    from envforge.spec.from_outside import Fetch  # noqa: PLC0415 - few environments fetch anything

    tables.only(table, ("url", "target", "unpack", "strip", "mode", "sha256"))
    one = Fetch(**table)
    _check(one.url, one.target, one.strip)
    tables.flag("unpack", one.unpack)
    if one.mode and MODE.problem(tables.text("mode", one.mode)):
        raise ValueError(f"{one.mode[:200]!r} is no mode")
    if one.sha256 and not is_sha256(one.sha256):
        raise ValueError(f"{one.url[:200]} has no SHA-256")
    return one


def _check(url: Any, target: Any, strip: Any) -> None:
    if FETCHED.problem(tables.text("url", url)):
        raise ValueError(f"{url[:200]!r} is no address")
    if FETCH_TARGET.problem(tables.text("target", target)):
        raise ValueError(f"{target[:200]!r} is no target")
    if isinstance(strip, bool) or not isinstance(strip, int) or not 0 <= strip <= _STRIP_MAX:
        raise ValueError(f"strip must be a number up to {_STRIP_MAX}, not {str(strip)[:200]}")


def pins_table(pins: Mapping[Place, Sequence[Fetched]]) -> dict[str, Any]:
    """Return the tables of all pins."""
    files: dict[str, Pin] = {}
    environments: dict[str, dict[str, list[str]]] = {}
    for environment, architecture in sorted(pins):
        lines = [_line(one, files.setdefault(one.url, one.pin)) for one in pins[environment, architecture]]
        environments.setdefault(environment, {})[architecture] = lines
    return {
        "files": {url: f"{pin.sha256} {pin.size}" for url, pin in sorted(files.items())},
        "environments": environments,
    }


def _line(one: Fetched, usual: Pin) -> str:
    words = [one.url]
    if one.unpack:
        words.append("unpack")
    if one.strip:
        words.append(f"strip={one.strip}")
    if not one.unpack:
        words.append(f"mode={one.mode:04o}")
    if one.pin != usual:
        words.append(f"sha256={one.pin.sha256}:{one.pin.size}")
    return " ".join([*words, one.target])


def pins_of(table: Table) -> dict[Place, tuple[Fetched, ...]]:
    """Return the pins that `pins_table` wrote. Raises KeyError, TypeError, ValueError if broken."""
    tables.only(table, ("files", "environments"))
    files = {
        url: _pin(tables.text(url, value), " ") for url, value in tables.as_table(table["files"]).items()
    }
    found = {}
    for environment, parts in tables.as_table(table["environments"]).items():
        for architecture, lines in tables.as_table(parts).items():
            if not re.fullmatch(_ARCHITECTURE, architecture):
                raise ValueError(f"{architecture[:200]!r} is no architecture")
            found[environment, architecture] = tuple(
                _fetched(line, files) for line in tables.texts(f"fetch of {environment}", lines)
            )
    return found


def _fetched(line: str, files: Mapping[str, Pin]) -> Fetched:
    before, slash, target = line.partition(" /")
    url, *words = before.split(" ")
    said = dict(word.partition("=")[::2] for word in words)
    tables.known(f"the words of {url[:200]}", said, ("unpack", "strip", "mode", "sha256"))
    strip, mode = said.get("strip", "0"), said.get("mode", "0644")
    if not slash or not strip.isascii() or not strip.isdigit() or MODE.problem(mode):
        raise ValueError(f"{line[:200]!r} is nothing that was fetched")
    pin = _pin(said["sha256"], ":") if "sha256" in said else files[url]
    _check(url, f"/{target}", int(strip))
    return Fetched(url, pin, f"/{target}", "unpack" in said, int(strip), int(mode, 8))


def _pin(text: str, between: str) -> Pin:
    sha256, _, size = text.partition(between)
    if not is_sha256(sha256) or not (size.isascii() and size.isdigit() and len(size) <= _SIZE_DIGITS_MAX):
        raise ValueError(f"{text[:200]!r} is no SHA-256 with a size")
    return Pin(sha256, int(size))
