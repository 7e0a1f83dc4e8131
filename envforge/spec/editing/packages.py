"""Adds and removes packages in the text of a spec. Nothing else in the text changes, not even a space.

Splices the text at the offsets that the scanner (`positions.py`) finds, instead of writing it anew from a
document model: comments, quotes, order, indentation and line ends are kept by construction.
"""

import re
import tomllib
from collections.abc import Sequence
from typing import Any, Final

from attrs import frozen

from envforge.errors import NotFoundError, SpecError
from envforge.spec.environments import TABLE, extended
from envforge.spec.grammar import PACKAGE, nearest, split_request
from envforge.spec.names import DEFAULT
from envforge.spec.positions import Path, Places, scan
from envforge.spec.structure import dotted

DEFAULT_SUITE: Final = "trixie"
"""For a spec that has no `[debian]` yet."""

_DEBIAN: Final = "debian"
_PACKAGES: Final = "packages"
_GAP_AND_COMMA: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*\n)*,")
_REST_OF_LINE: Final = re.compile(r"[ \t]*(,?)[ \t]*(?:#[^\n]*)?\n")


def add_packages(text: str, packages: Sequence[str], environment: str = DEFAULT) -> str:
    """Return `text` with the package requests added; a pin replaces the request that is there for its name.

    They go into the tables of one of the spec's environments, which must exist. Raises SpecError if a request
    is malformed, or if the text is not TOML or its packages are not a list of texts.
    """
    problems = [problem for request in packages if (problem := PACKAGE.problem(request))]
    if problems:
        raise SpecError("\n".join(problems))
    for request in packages:
        text = _added(text, _table_of(environment), request)
    return text


def remove_packages(text: str, packages: Sequence[str], environment: str = DEFAULT) -> str:
    """Return `text` without the packages of these names, whatever version they are pinned to.

    Raises NotFoundError if one is not listed, with a hint: the nearest names, or the extended environment
    that lists it. Raises SpecError if the text is not TOML or its packages are not a list of texts.
    """
    table = _table_of(environment)
    names = [split_request(request)[0] for request in packages]
    listed = {item.name for item in _items(text, table)}
    if unknown := [name for name in names if name not in listed]:
        guesses = [guess for name in unknown if (guess := nearest(name, listed))]
        hint = f"did you mean {', '.join(guesses)}?" if guesses else _inherited(text, environment, unknown)
        raise NotFoundError(f"not in {dotted((*table, _PACKAGES))}: {', '.join(unknown)}", hint=hint)
    for name in names:
        while found := [item.index for item in _items(text, table) if item.name == name]:
            text = _removed(text, table, found[-1])
    return text


def own_packages(text: str, environment: str = DEFAULT) -> tuple[str, ...]:
    """Return the names of the packages in an environment's own tables: what can be removed there."""
    return tuple(item.name for item in _items(text, _table_of(environment)))


def _table_of(environment: str) -> Path:
    return (_DEBIAN,) if environment == DEFAULT else (TABLE, environment, _DEBIAN)


def _inherited(text: str, environment: str, names: Sequence[str]) -> str:
    """Return a hint on the extended environment that lists the first of these packages, or an empty text."""
    for other in extended(tomllib.loads(text), environment):
        if names[0] in own_packages(text, other):
            option = "" if other == DEFAULT else f"-E {other} "
            return f"it comes from {other}, which {environment} extends: `envforge remove {option}{names[0]}`"
    return ""


@frozen
class _Item:
    """One element of the list, and where it stands in the text."""

    index: int
    request: str
    start: int
    end: int

    @property
    def name(self) -> str:
        return split_request(self.request)[0]


def _items(text: str, table: Path) -> list[_Item]:
    """Return the elements of the list in a table; none where there is no list."""
    try:
        place: Any = tomllib.loads(text)
    except ValueError as error:
        raise SpecError(f"not TOML: {error}") from None
    for step in table:
        place = place.get(step, {}) if isinstance(place, dict) else None
    path = (*table, _PACKAGES)
    packages = place.get(_PACKAGES, []) if isinstance(place, dict) else None
    if not isinstance(packages, list) or not all(isinstance(item, str) for item in packages):
        raise SpecError(f"{dotted(path)} is not a list of texts; mend the spec first")
    spans = scan(text).values
    return [_Item(index, item, *spans[*path, index]) for index, item in enumerate(packages)]


def _added(text: str, table: Path, request: str) -> str:
    items = _items(text, table)
    present = [item for item in items if item.name == split_request(request)[0]]
    if any(request in (item.request, item.name) for item in present):
        return text
    if present:
        quote = text[present[0].start]
        return f"{text[: present[0].start]}{quote}{request}{quote}{text[present[0].end :]}"
    places = scan(text)
    path = (*table, _PACKAGES)
    if items:
        return _behind(text, items[-1], request, places.values[path][1])
    string = f"'{request}'" if text.count("'") > text.count('"') else f'"{request}"'
    if path in places.values:
        return _into_empty(text, string, *places.values[path])
    return _with_key(text, table, f"{_PACKAGES} = [{string}]", places)


def _behind(text: str, last: _Item, request: str, end: int) -> str:
    """Add an element behind the last one, on a line of its own if the last one has that."""
    string = f"{text[last.start]}{request}{text[last.start]}"
    indent = text[text.rfind("\n", 0, last.start) + 1 : last.start]
    if indent.strip(" \t"):
        return f"{text[: last.end]}, {string}{text[last.end :]}"
    comma = _GAP_AND_COMMA.match(text, last.end)
    at = comma.end() if comma else last.end
    line_end = text.find("\n", at, end)
    if line_end < 0:  # the closing bracket is on the same line
        line_end = at
    elif text[line_end - 1] == "\r":
        line_end -= 1
    before = text[:line_end] if comma else f"{text[: last.end]},{text[last.end : line_end]}"
    return f"{before}{_newline(text)}{indent}{string}{',' if comma else ''}{text[line_end:]}"


def _into_empty(text: str, string: str, start: int, end: int) -> str:
    closing = end - 1
    line = text.rfind("\n", start, closing) + 1
    if not line:
        return f"{text[: start + 1]}{string}{text[closing:]}"
    return f"{text[:line]}{text[line:closing]}  {string},{_newline(text)}{text[line:]}"


def _with_key(text: str, table: Path, statement: str, places: Places) -> str:
    """Add a statement to a table in whatever notation (inline, dotted, header), or the table with it."""
    if table in places.values:
        return _into_inline(text, table, statement, places)
    children = [span for path, span in places.values.items() if path[:-1] == table]
    if children or table in places.headers:
        after = max(children)[1] if children else places.headers[table]
        return _behind_line(text, after, f"{_prefix(table, after, places)}{statement}")
    above = table[:-1]
    below = [path for path in places.headers if path[: len(above)] == above]
    if not above:
        newline = _newline(text)
        gap = "" if not text else newline if text.endswith("\n") else newline * 2
        return f'{text}{gap}[{table[0]}]{newline}suite = "{DEFAULT_SUITE}"{newline}{statement}{newline}'
    if not below:
        return _with_key(text, above, f"{table[-1]}.{statement}", places)
    ends = [span[1] for path, span in places.values.items() if path[: len(above)] == above]
    newline = _newline(text)
    section = f"{newline}[{dotted(table)}]{newline}{statement}"
    return _behind_line(text, max([*ends, *(places.headers[path] for path in below)]), section)


def _into_inline(text: str, table: Path, statement: str, places: Places) -> str:
    end = places.values[table][1] - 1
    children = [span for path, span in places.values.items() if path[:-1] == table]
    if children:
        last = max(children)[1]
        return f"{text[:last]}, {statement}{text[last:]}"
    return f"{text[:end].rstrip()} {statement} {text[end:]}"


def _prefix(table: Path, offset: int, places: Places) -> str:
    """Return the dotted prefix of a key of `table` under the header that governs `offset`."""
    above = [(end, path) for path, end in places.headers.items() if end <= offset]
    header = max(above)[1] if above else ()
    return "".join(f"{step}." for step in table[len(header) :])


def _behind_line(text: str, offset: int, statement: str) -> str:
    newline = _newline(text)
    line_end = text.find("\n", offset) + 1
    if not line_end:
        return f"{text}{newline}{statement}{newline}"
    return f"{text[:line_end]}{statement}{newline}{text[line_end:]}"


def _removed(text: str, table: Path, index: int) -> str:
    items = _items(text, table)
    item = items[index]
    previous = items[index - 1] if index else None
    following = items[index + 1] if index + 1 < len(items) else None
    line = text.rfind("\n", 0, item.start) + 1
    rest = _REST_OF_LINE.match(text, item.end)
    if (
        rest
        and not text[line : item.start].strip(" \t")
        and (rest[1] or not _GAP_AND_COMMA.match(text, item.end))
    ):
        return text[:line] + text[rest.end() :]
    before = text[previous.end : item.start] if previous else "#"
    after = text[item.end : following.start] if following else "#"
    if previous and not {"\n", "#"} & set(before):
        return text[: previous.end] + text[item.end :]
    if following and "#" not in after:
        return text[: item.start] + text[following.start :]
    if previous and "#" not in before:
        return text[: previous.end] + text[item.end :]
    return _blanked(text, item)


def _blanked(text: str, item: _Item) -> str:
    """Cut an element among comments, and the comma behind it; the comments stay."""
    comma = _GAP_AND_COMMA.match(text, item.end)
    if comma is None:
        return text[: item.start] + text[item.end :]
    return text[: item.start] + text[item.end : comma.end() - 1] + text[comma.end() :]


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
