"""Where two trees differ, and which of that is expected."""

import re
from collections.abc import Mapping, Sequence

from attrs import frozen

from tests.compare.allowed import ALLOWED, Allowed
from tests.compare.tree import Node

_ASPECTS = ("type", "mode", "owner", "group", "content", "xattrs", "mtime")


@frozen
class Difference:
    """One aspect of one path."""

    path: str
    aspect: str
    """`missing` (not in ours), `extra` (only in ours), or a field of Node."""
    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"{self.path}: {self.aspect}: {self.ours} instead of {self.theirs}"


def compare(ours: Mapping[str, Node], theirs: Mapping[str, Node]) -> list[Difference]:
    """Return every difference, by path."""
    found = []
    for path in sorted(ours.keys() | theirs.keys()):
        if path not in ours:
            found.append(Difference(path, "missing", "nothing", theirs[path].type))
        elif path not in theirs:
            found.append(Difference(path, "extra", ours[path].type, "nothing"))
        else:
            found += _aspects(path, ours[path], theirs[path])
    return found


def split(
    differences: Sequence[Difference], allowed: Sequence[Allowed] = ALLOWED
) -> tuple[list[Difference], dict[Allowed, list[Difference]]]:
    """Return the differences that nobody allows, and the others under what allows them."""
    unexplained: list[Difference] = []
    explained: dict[Allowed, list[Difference]] = {}
    for difference in differences:
        reason = next((entry for entry in allowed if _covers(entry, difference)), None)
        if reason is None:
            unexplained.append(difference)
        else:
            explained.setdefault(reason, []).append(difference)
    return unexplained, explained


def _aspects(path: str, ours: Node, theirs: Node) -> list[Difference]:
    if ours.type != theirs.type:
        return [Difference(path, "type", ours.type, theirs.type)]
    found = []
    for aspect in _ASPECTS:
        one, other = getattr(ours, aspect), getattr(theirs, aspect)
        if aspect == "mtime" and (None in (one, other) or ours.content != theirs.content):
            continue  # only archives' files, as the archive had them
        if one != other:
            shown = (f"{one:04o}", f"{other:04o}") if aspect == "mode" else (str(one), str(other))
            found.append(Difference(path, aspect, *shown))
    return found


def _covers(entry: Allowed, difference: Difference) -> bool:
    return difference.aspect in entry.aspects and re.fullmatch(entry.pattern, difference.path) is not None
