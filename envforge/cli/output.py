"""Data as commands print it: tables for people, JSON for programs."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

if TYPE_CHECKING:
    from envforge.api.building import Built

_FIRST: Final = 16
_LAST: Final = 8
"""Widths: the first column keeps so much while the last one can shrink; neither gets narrower than that."""
_CODES: Final = {
    "red": 31,
    "green": 32,
    "yellow": 33,
    "blue": 34,
    "magenta": 35,
    "cyan": 36,
    "bold": 1,
    "dim": 2,
}


def coloured(stream: TextIO) -> bool:
    """Return whether `stream` takes colours: a terminal, and nobody said NO_COLOR (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str, stream: TextIO) -> str:
    """Return `text` in a colour where `stream` takes colours."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if coloured(stream) else text


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print one JSON value; characters in it that could steer a terminal are escaped, as JSON can.

    Without indentation it is five times as quick, which counts for lists of many thousands.
    """
    import json  # noqa: PLC0415 (most output is for people)

    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if not text.replace("\n", "").isprintable():
        text = "".join(one if one == "\n" or one.isprintable() else json.dumps(one)[1:-1] for one in text)
    click.echo(text)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, each as wide as its widest value; the last one is not padded.

    On a terminal, the first column's ends and the last column's beginnings are cut until a line fits.
    """
    lines = [tuple(header), *map(tuple, rows)]
    if sys.stdout.isatty():
        import shutil  # noqa: PLC0415 (only on a terminal)

        lines = fitted(lines, shutil.get_terminal_size().columns)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def fitted(lines: Sequence[Sequence[str]], columns: int) -> list[tuple[str, ...]]:
    """Return lines whose first and last values are cut, so that none is wider than `columns` if it can be."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    between = sum(widths[1:-1]) + 2 * (len(widths) - 1)
    last = max(min(widths[-1], columns - between - min(widths[0], _FIRST)), _LAST)
    first = max(columns - between - last, _LAST)
    return [(_cut_end(line[0], first), *line[1:-1], _cut_start(line[-1], last)) for line in lines]


def _cut_end(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _cut_start(text: str, room: int) -> str:
    return text if len(text) <= room else f"…{text[1 - room :]}"


def prefixed(digest: str) -> str:
    """Return a digest with its algorithm in front, as all output has it; empty stays empty."""
    return digest if not digest or digest.startswith("sha256:") else f"sha256:{digest}"


def short(digest: str) -> str:
    """Return the beginning of a digest, long enough for people."""
    return prefixed(digest)[: len("sha256:") + 12]


def time_text(seconds: int) -> str:
    """Return seconds since 1970 in the user's own zone, to the minute."""
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M}"


def timestamp(seconds: int) -> str:
    """Return seconds since 1970 as RFC 3339 in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def layer_as_json(layer: "Built") -> dict[str, Any]:
    """Return a layer as every command prints it as JSON."""
    return {
        "name": layer.name,
        "key": layer.key,
        "digest": prefixed(layer.digest),
        "size_bytes": layer.size_bytes,
        "files": layer.files,
    }
