"""Writes what containers have written: of one as it is, of several with their names in front, or as JSON."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

import click

from envforge.cli.output import paint

if TYPE_CHECKING:
    from envforge.api.containers_logs import Entry, Line

_COLOURS: Final = ("cyan", "yellow", "green", "magenta", "blue")
_STEERING: Final = re.compile(
    rb"\x1b\[[0-9;:]*m"  # colours stay
    rb"|\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])?"
    rb"|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"
)


class Prefixes:
    """What stands before a line: a container's label, as wide as the widest known, in a colour of its own."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._width = max(map(len, labels), default=0)
        self._colours: dict[str, str] = {}

    def of(self, label: str, stream: str) -> bytes:
        """Return the prefix of a line of that stream; one that comes later may widen all that follow."""
        self._width = max(self._width, len(label))
        colour = self._colours.setdefault(label, _COLOURS[len(self._colours) % len(_COLOURS)])
        target = sys.stderr if stream == "stderr" else sys.stdout
        return paint(f"{label.ljust(self._width)} | ", colour, target).encode()


def show_lines(
    lines: "Iterable[Line | None]",
    prefixes: Prefixes,
    label: "Callable[[Line], str]",
    *,
    timestamps: bool = False,
) -> None:
    """Write lines to standard output and standard error, as their containers did."""
    before = ""
    for line in lines:
        if line is None or line.stream != before:  # what came first is shown first
            sys.stdout.flush()
            sys.stderr.flush()
        if line is None:
            continue
        before = line.stream
        target = sys.stderr if line.stream == "stderr" else sys.stdout
        text = for_terminal(line.text) if target.isatty() else line.text
        head = prefixes.of(label(line), line.stream) + (f"{line.time} ".encode() if timestamps else b"")
        target.buffer.write(head + text + b"\n")
    sys.stdout.flush()
    sys.stderr.flush()


def show_json(lines: "Iterable[Line | None]") -> None:
    """Print lines as JSON, an object a line; bytes that are no UTF-8 become U+FFFD."""
    import json  # noqa: PLC0415 (logs are mostly read as text)

    for line in lines:
        if line is None:
            sys.stdout.flush()
            continue
        said = {
            "time": line.time,
            "id": line.container.id,
            "name": line.container.name,
            "service": line.container.config["service"],
            "stream": line.stream,
            "text": line.text.decode(errors="replace"),
        }
        click.echo(json.dumps(said))
    sys.stdout.flush()


def show(entries: "Iterator[Entry | None]", *, timestamps: bool) -> None:
    """Write entries to standard output and standard error, as the container wrote them."""
    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    plain = {name: not stream.isatty() for name, stream in streams.items()}
    begun: set[str] = set()
    before = ""
    for one in entries:
        if one is None or one.stream != before:  # what came first is shown first
            sys.stdout.flush()
            sys.stderr.flush()
        if one is None:
            continue
        before = one.stream
        head = b""
        if one.stream not in begun:
            head = f"{one.time} ".encode() if timestamps else b""
        text = one.text if plain[one.stream] else for_terminal(one.text)
        streams[one.stream].buffer.write(head + text + (b"\n" if one.is_whole else b""))
        (begun.discard if one.is_whole else begun.add)(one.stream)
    sys.stdout.flush()
    sys.stderr.flush()


def for_terminal(text: bytes) -> bytes:
    """Return text without what could move a terminal's cursor, set its title or type into it."""
    return _STEERING.sub(_colours_only, text)


def _colours_only(found: "re.Match[bytes]") -> bytes:
    return found[0] if found[0][:2] == b"\x1b[" and found[0].endswith(b"m") else b""
