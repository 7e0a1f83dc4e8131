"""Colours a spec's TOML, a line at a time, and finds errors in what `SpecError` says."""

import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

_NAME: Final = r'(?:[A-Za-z0-9_-]+|"[^"]*")'
_TOKENS: Final = re.compile(
    rf"""(?P<comment>\#.*$)
      | (?P<table>^\s*\[\[?[^\]#]*\]\]?)
      | (?P<key>(?:^\s*|(?<=[{{,])\s*){_NAME}(?:\s*\.\s*{_NAME})*(?=\s*=))
      | (?P<text>\"\"\".*?(?:\"\"\"|$)|'''.*?(?:'''|$)|"(?:\\.|[^"\\])*"?|'[^']*'?)
      | (?P<number>\b(?:true|false|\d[\d_.:eE+-]*)\b)""",
    re.VERBOSE,
)
_PROBLEM: Final = re.compile(r"^(?P<line>\d+):(?P<column>\d+): (?P<text>.*)$")


@frozen
class Problem:
    """One mistake in a spec."""

    line: int
    """From 1; 0 where it is of the file as a whole."""
    column: int
    text: str


def tokens(line: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and kind (`comment`, `table`, `key`, `text`, `number`) of what is coloured."""
    for match in _TOKENS.finditer(line):
        if match.lastgroup:
            yield match.start(), match.end(), match.lastgroup


def problems(message: str, filename: str) -> tuple[Problem, ...]:
    """Return the mistakes in the message of a `SpecError`, one a line, in the order of the file."""
    found = []
    for line in message.splitlines():
        match = _PROBLEM.match(line.removeprefix(f"{filename}:"))
        if match:
            found.append(Problem(int(match["line"]), int(match["column"]), match["text"]))
        else:
            found.append(Problem(0, 0, line.removeprefix(f"{filename}: ")))
    return tuple(found)
