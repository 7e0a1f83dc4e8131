"""Reads the TOML of locks: a few forms, a line each, as `tomli_w` writes them. tomllib reads everything else.

It loads no regular expressions and takes a part of tomllib's time, which commands that read a lock feel. It
gives what tomllib gives, or leaves the whole text to it: escapes, redefinitions, any form that is unusual.
"""

from typing import Any, Final

_CONTROL: Final = bytes(byte for byte in range(0x20) if byte != 0x0A) + b"\x7f\\"
_INTEGER_DIGITS: Final = 18

Table = dict[str, Any]


class _UnusualError(Exception):
    """The text has a form that is not read here."""


def loads(data: bytes) -> Table:
    """Return a document. Raises ValueError for what is no TOML, or no UTF-8."""
    text = data.decode()
    if len(data.translate(None, _CONTROL)) == len(data):
        try:
            return _document(text.split("\n"))
        except _UnusualError:
            pass
    import tomllib  # noqa: PLC0415 - only for what somebody edited

    return tomllib.loads(text)


def _document(lines: list[str]) -> Table:
    document: Table = {}
    table = document
    waiting = iter(lines)
    for line in waiting:
        if not line or line[0] == "#":
            continue
        if line[0] == "[":
            table = _new_table(document, line)
            continue
        name, _, value = line.partition(" = ")
        key = _key(name)
        if key in table:
            raise _UnusualError
        if value[:1] == '"':
            table[key] = _text(value)
        elif value == "[":
            table[key] = [_item(one) for one in iter(lambda: next(waiting, ""), "]")]
        else:
            table[key] = _plain(value)
    return document


def _new_table(document: Table, line: str) -> Table:
    """Return the table that a header begins, which must be a new one."""
    *above, last = _header(line)
    table = document
    for part in above:
        table = table.setdefault(part, {})
        if type(table) is not dict:
            raise _UnusualError
    if last in table:
        raise _UnusualError
    made: Table = {}
    table[last] = made
    return made


def _header(line: str) -> list[str]:
    """Return the keys of `[a.b."c d"]`."""
    if line[-1] != "]":
        raise _UnusualError
    pieces = line[1:-1].split('"')
    end = len(pieces) - 1
    if end % 2:
        raise _UnusualError
    found = []
    for number, piece in enumerate(pieces):
        if number % 2:
            found.append(piece)
        elif piece or number not in {0, end}:
            found += _between(piece, is_first=number == 0, is_last=number == end)
    if not found:
        raise _UnusualError
    return found


def _between(piece: str, *, is_first: bool, is_last: bool) -> list[str]:
    """Return the bare keys before, between or behind quoted ones, which dots part from these."""
    if not (is_first or piece[:1] == ".") or not (is_last or piece[-1:] == "."):
        raise _UnusualError
    if piece == "." and not is_first and not is_last:
        return []
    start, stop = int(not is_first), len(piece) - int(not is_last)
    return [_bare(part) for part in piece[start:stop].split(".")]


def _bare(key: str) -> str:
    if not (key.isascii() and key.replace("-", "0").replace("_", "0").isalnum()):
        raise _UnusualError
    return key


def _key(text: str) -> str:
    return _text(text) if text[:1] == '"' else _bare(text)


def _text(value: str) -> str:
    if value[-1] != '"' or value.count('"') != 2:
        raise _UnusualError
    return value[1:-1]


def _plain(value: str) -> bool | int | list[object]:
    if value in {"true", "false"}:
        return value == "true"
    if value == "[]":
        return []
    is_number = value.isascii() and value.isdecimal() and len(value) <= _INTEGER_DIGITS
    if not is_number or (value[0] == "0" and value != "0"):
        raise _UnusualError
    return int(value)


def _item(line: str) -> str | Table:
    """Return one line of an array: a text, or a table of texts."""
    if line[:4] != "    " or line[-1] != ",":
        raise _UnusualError
    value = line[4:-1]
    if value[:1] == '"':
        return _text(value)
    pieces = value.split('"')
    found: Table = {}
    for number in range(0, len(pieces) - 2, 2):
        start, behind = ("{ " if number == 0 else ", "), pieces[number]
        if not behind.startswith(start) or not behind.endswith(" = "):
            raise _UnusualError
        key = _bare(behind[len(start) : -len(" = ")])
        if key in found:
            raise _UnusualError
        found[key] = pieces[number + 1]
    if not found or len(pieces) % 2 == 0 or pieces[-1] != " }":
        raise _UnusualError
    return found
