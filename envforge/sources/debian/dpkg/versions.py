"""Compares versions of packages. Pure. deb-version(7); Debian Policy, 5.6.12."""

import re
from functools import cache
from typing import Final

_PARTS: Final = re.compile(r"([^0-9]*)([0-9]*)")
_END: Final = 1
_LETTERS: Final = 2
_OTHERS: Final = 256
"""Sort order: `~`, the end of a part (_END), letters (from _LETTERS), everything else (from _OTHERS)."""
_NOTHING: Final = (_END,)

Key = tuple[int, tuple[object, ...], tuple[object, ...]]


@cache
def key(version: str) -> Key:
    """Return a version's sort key: epoch, upstream version, Debian revision."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch) if epoch.isdigit() else 0, _parts(upstream), _parts(revision)


def _parts(text: str) -> tuple[object, ...]:
    """Return a part of a version as non-digits and numbers in turn; zeros at its end do not count."""
    pairs = [(_ranks(other), int(digits or "0")) for other, digits in _PARTS.findall(text)]
    while pairs and pairs[-1] == (_NOTHING, 0):
        pairs.pop()
    return (*(item for pair in pairs for item in pair), _NOTHING)


def _ranks(text: str) -> tuple[int, ...]:
    return (*map(_rank, text), _END)


def _rank(letter: str) -> int:
    if letter == "~":
        return 0
    return ord(letter) + (_LETTERS if letter.isalpha() else _OTHERS)


def satisfies(version: str, operator: str, wanted: str) -> bool:
    """Return whether a version satisfies a relation such as `>=` `1.2`; without an operator, any does."""
    ours, theirs = key(version), key(wanted)
    match operator:
        case "<<":
            return ours < theirs
        case "<" | "<=":
            return ours <= theirs
        case "=":
            return ours == theirs
        case ">" | ">=":
            return ours >= theirs
        case ">>":
            return ours > theirs
        case _:
            return True
