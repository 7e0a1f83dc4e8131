"""Finds the offset of every key and value in a TOML text. tomllib validates; this scanner only locates.

A path names a value: `("mounts", 1, "source")`. In a text that is not TOML, all before the fault is located.
"""

import re
import tomllib
from typing import Final

from envforge.values import Factory, define

Path = tuple[str | int, ...]

_BLANK: Final = re.compile(r"[ \t]*")
_GAP: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r"""
    \"{3} (?:[^\\]|\\.)*? \"{3,5}  # the last two of five belong to the text
    | \'{3} .*? \'{3,5}
    | \"(?!\"\") (?:[^\"\\\n]|\\.)* \"
    | \'(?!\'\') [^\'\n]* \'
    """,
    re.DOTALL | re.VERBOSE,
)
_SCALAR: Final = re.compile(r"[^,\[\]{}\"'#\r\n]+")


class _Unreadable(Exception):  # noqa: N818 - never leaves this module
    """The text is not TOML from here on."""


@define
class Places:
    """Offsets into one text, by path."""

    text: str
    keys: dict[Path, int] = Factory(dict)
    """Where a key begins, the last part of a dotted one; for a table, in its first header."""
    values: dict[Path, tuple[int, int]] = Factory(dict)
    """Where a value begins and ends, those of arrays and inline tables too; headers make no values."""
    headers: dict[Path, int] = Factory(dict)
    """Where the header of a table ends, behind its closing bracket."""
    order: list[tuple[int, Path]] = Factory(list)
    """Every key in the order of the text, a repeated one too."""
    unfinished: int | None = None
    """Where the innermost value begins in which the text breaks off."""

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both counted from 1, the column in characters."""
        start = self.text.rfind("\n", 0, offset) + 1
        return self.text.count("\n", 0, offset) + 1, offset - start + 1

    def of_value(self, path: Path) -> int:
        """Return the offset of a value, else of its key, else of the nearest table or array that holds it."""
        return self.values[path][0] if path in self.values else self.of_key(path)

    def of_key(self, path: Path) -> int:
        """Return the offset of a key, else of the value (in an array), else of the nearest that holds it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.keys:
                return self.keys[path[:end]]
            if path[:end] in self.values:
                return self.values[path[:end]][0]
        return 0


def scan(text: str) -> Places:
    """Return the places of everything in `text`, as far as it can be read.

    Raises RecursionError where values are nested too deeply.
    """
    scanner = _Scanner(text)
    try:
        scanner.document()
    except _Unreadable:
        begun = [offset for offset in scanner.opened if text[offset:].strip()]
        scanner.places.unfinished = begun[-1] if begun else None
    return scanner.places


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places = Places(text)
        self.lengths: dict[Path, int] = {}
        self.opened: list[int] = []

    def document(self) -> None:
        table: Path = ()
        self._skip(_GAP)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._key_and_value(table)
            self._skip(_GAP)

    def _header(self) -> Path:
        brackets = 2 if self.text.startswith("[[", self.at) else 1
        self.at += brackets
        parts = self._key()
        self._expect("]" * brackets)
        table: Path = ()
        for name, offset in parts[:-1]:
            table = self._current((*table, name), offset)
        name, offset = parts[-1]
        table = (*table, name)
        self._met(table, offset)
        if brackets == 2:
            self.lengths[table] = self.lengths.get(table, 0) + 1
            table = self._current(table, offset)
            self._met(table, offset)
        self.places.headers.setdefault(table, self.at)
        return table

    def _current(self, table: Path, offset: int) -> Path:
        """Return the path of a table on the way to another: in an array of tables, of its last element."""
        self.places.keys.setdefault(table, offset)
        return (*table, self.lengths[table] - 1) if table in self.lengths else table

    def _met(self, path: Path, offset: int) -> None:
        self.places.keys.setdefault(path, offset)
        self.places.order.append((offset, path))

    def _key_and_value(self, table: Path) -> None:
        parts = self._key()
        path = table
        for name, offset in parts[:-1]:
            path = (*path, name)
            self.places.keys.setdefault(path, offset)
        path = (*path, parts[-1][0])
        self._met(path, parts[-1][1])
        self._expect("=")
        self._skip(_BLANK)
        self._value(path)

    def _key(self) -> list[tuple[str, int]]:
        parts: list[tuple[str, int]] = []
        while True:
            self._skip(_BLANK)
            offset = self.at
            if bare := _BARE.match(self.text, self.at):
                name = bare[0]
            elif string := _STRING.match(self.text, self.at):
                name = _decoded(string[0])
            else:
                raise _Unreadable
            self.at += len(bare[0] if bare else string[0] if string else "")
            parts.append((name, offset))
            self._skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _value(self, path: Path) -> None:
        start = self.at
        self.opened.append(start)
        if self.text.startswith("[", start):
            self._array(path)
        elif self.text.startswith("{", start):
            self._inline_table(path)
        else:
            self._scalar()
        self.opened.pop()
        self.places.values.setdefault(path, (start, self.at))

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        self._skip(_GAP)
        while not self.text.startswith("]", self.at):
            self._value((*path, index))
            index += 1
            self._separator("]")
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        self._skip(_GAP)
        while not self.text.startswith("}", self.at):
            self._key_and_value(path)
            self._separator("}")
        self.at += 1

    def _separator(self, closing: str) -> None:
        self._skip(_GAP)
        if self.text.startswith(",", self.at):
            self.at += 1
            self._skip(_GAP)
        elif not self.text.startswith(closing, self.at):
            raise _Unreadable

    def _scalar(self) -> None:
        if string := _STRING.match(self.text, self.at):
            self.at = string.end()
        elif scalar := _SCALAR.match(self.text, self.at):
            self.at += len(scalar[0].rstrip(" \t"))
        else:
            raise _Unreadable

    def _skip(self, pattern: re.Pattern[str]) -> None:
        if found := pattern.match(self.text, self.at):
            self.at = found.end()

    def _expect(self, token: str) -> None:
        self._skip(_BLANK)
        if not self.text.startswith(token, self.at):
            raise _Unreadable
        self.at += len(token)


def _decoded(string: str) -> str:
    try:
        return str(tomllib.loads(f"text = {string}")["text"])
    except tomllib.TOMLDecodeError as error:
        raise _Unreadable from error
