"""Converts plain values to the model. Collects every error instead of stopping at the first.

A wrong value is read as if it were left out (in lists: as an empty text), so that the rest is still checked.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar, get_args, get_origin

from envforge.spec.grammar import nearest, quoted
from envforge.spec.keys import Key, key_of
from envforge.spec.model import tables
from envforge.spec.positions import Path
from envforge.values import NOTHING, AttrsInstance, Field, define, fields, frozen

Model = TypeVar("Model", bound=AttrsInstance)

_MEANT: Final = {
    "cmd": "command",
    "destination": "target",
    "distribution": "suite",
    "dst": "target",
    "entrypoint": "command",
    "env": "variables",
    "environment": "variables",
    "readonly": "read-only",
    "release": "suite",
    "repository": "archive",
    "src": "source",
    "url": "uri",
    "uri": "url",
    "strip-components": "strip",
    "checksum": "sha256",
    "hash": "sha256",
    "extract": "unpack",
    "volumes": "mounts",
}
"""Another tool's name of a key -> its name here."""

_KINDS: Final = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}


@frozen
class Problem:
    """One error, at a path of the file."""

    path: Path
    message: str
    on_key: bool = False
    """The key is wrong, not its value."""


@define
class Reader:
    """Reads values into models, and collects their problems."""

    problems: list[Problem]
    hints: tuple[str, ...] = ()
    """Keys of the outermost table that are not in the model, and are suggested for a misspelt one too."""
    hidden: tuple[str, ...] = ()
    """Keys in the model that are never suggested."""

    def model(self, kind: type[Model], table: Mapping[str, Any], path: Path) -> Model:
        """Return the model of a table, with stand-ins for required values that are missing or wrong."""
        attributes = fields(kind)
        values = {}
        for attribute in attributes:
            value = self._field(attribute, table, path)
            if value is NOTHING and attribute.default is NOTHING:
                value = _stand_in(attribute.type)
            if value is not NOTHING:
                values[attribute.alias] = value
        known = [key_of(attribute).name for attribute in attributes]
        for name in table:
            if name not in known:
                meant = known if path else [*self.hints, *(key for key in known if key not in self.hidden)]
                self._wrong((*path, name), _unknown(name, meant), on_key=True)
        return kind(**values)

    def _field(self, attribute: "Field[Any]", table: Mapping[str, Any], path: Path) -> Any:
        key = key_of(attribute)
        if key.name in table:
            return self._value(attribute.type, key, table[key.name], (*path, key.name))
        if attribute.default is NOTHING:
            self._wrong((*path, key.name), "is missing", on_key=True)
        return NOTHING

    def _value(self, kind: Any, key: Key, value: Any, path: Path) -> Any:
        """Return the value in the model's form, or NOTHING where it is wrong."""
        if kind is str:
            return self._text(key, value, path)
        if kind is bool:
            return self._boolean(value, path)
        if kind in (int, float):
            return self._number(kind, key, value, path)
        if get_origin(kind) is Mapping:
            item = get_args(kind)[1]
            return (
                self._texts_by_name(key, value, path)
                if item is str
                else self._models_by_name(item, key, value, path)
            )
        if get_origin(kind) is not tuple:
            return self._table(kind, value, path)
        item = get_args(kind)[0]
        return self._texts(key, value, path) if item is str else self._models(item, value, path)

    def _text(self, key: Key, value: Any, path: Path) -> Any:
        if not isinstance(value, str):
            advice = (
                f"; write it in quotes: {quoted(_plainly(value))}"
                if not isinstance(value, list | dict)
                else ""
            )
            return self._wrong(path, f"must be a text, not {_kind_of(value)}{advice}")
        if problem := _text_problem(key, value):
            return self._wrong(path, problem)
        return value

    def _boolean(self, value: Any, path: Path) -> Any:
        if isinstance(value, bool):
            return value
        said = str(value).lower() if isinstance(value, str) else ""
        word = {
            "true": "true",
            "yes": "true",
            "on": "true",
            "false": "false",
            "no": "false",
            "off": "false",
        }.get(said)
        advice = f"; write {word}, without quotes" if word else ""
        return self._wrong(path, f"must be true or false, not {_kind_of(value)}{advice}")

    def _number(self, kind: type, key: Key, value: Any, path: Path) -> Any:
        whole = kind is int
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            said = value.replace(".", "", 0 if whole else 1) if isinstance(value, str) else ""
            advice = f"; write {value}, without quotes" if said.isdecimal() else ""
            return self._wrong(path, f"must be a number, not {_kind_of(value)}{advice}")
        if not key.least <= value <= key.most:
            return self._wrong(path, f"must be from {key.least} to {key.most}, not {value}")
        return kind(value)

    def _texts(self, key: Key, value: Any, path: Path) -> Any:
        if not isinstance(value, list):
            words = ", ".join(quoted(word) for word in value.split()) if isinstance(value, str) else ""
            advice = f"; write [{words}]" if words else ""
            return self._wrong(path, f"must be a list of texts, not {_kind_of(value)}{advice}")
        if key.filled and not value:
            return self._wrong(path, "must not be empty")
        items = (self._text(key, item, (*path, index)) for index, item in enumerate(value))
        return tuple("" if item is NOTHING else item for item in items)

    def _texts_by_name(self, key: Key, value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._wrong(path, f"must be a table, not {_kind_of(value)}")
        self._names(key, value, path)
        texts = {name: self._text(key, item, (*path, name)) for name, item in value.items()}
        return {name: "" if text is NOTHING else text for name, text in texts.items()}

    def _models_by_name(self, kind: type[AttrsInstance], key: Key, value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            advice = f"write [{dotted((*path, 'NAME'))}]"
            return self._wrong(path, f"must be a table, not {_kind_of(value)}; {advice}")
        self._names(key, value, path)
        models = {name: self._table(kind, item, (*path, name)) for name, item in value.items()}
        return {name: _stand_in(kind) if one is NOTHING else one for name, one in models.items()}

    def _names(self, key: Key, table: Mapping[str, Any], path: Path) -> None:
        for name in table:
            if key.names and (problem := key.names.problem(name)):
                self._wrong((*path, name), problem, on_key=True)

    def _table(self, kind: type[AttrsInstance], value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            advice = f"; write [{dotted(path)}]" if isinstance(path[-1], str) else ""
            return self._wrong(path, f"must be a table, not {_kind_of(value)}{advice}")
        return self.model(kind, value, path)

    def _models(self, kind: type[AttrsInstance], value: Any, path: Path) -> Any:
        if not isinstance(value, list):
            return self._wrong(
                path, f"must be a list of tables, not {_kind_of(value)}; write [[{dotted(path)}]]"
            )
        items = (self._table(kind, item, (*path, index)) for index, item in enumerate(value))
        return tuple(_stand_in(kind) if item is NOTHING else item for item in items)

    def _wrong(self, path: Path, message: str, *, on_key: bool = False) -> Any:
        self.problems.append(Problem(path, message, on_key))
        return NOTHING


def dotted(path: Path) -> str:
    """Return a path as people write it: `debian.packages[2]`, names in quotes where TOML wants them."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part.replace("-", "").replace("_", "")
            name = part if plain.isalnum() and part.isascii() else quoted(part)
            text += f".{name}" if text else name
    return text


def _stand_in(kind: Any) -> Any:
    """Return a value in place of a required one that is missing or wrong."""
    if get_origin(kind) is tuple:
        return ()
    return "" if kind is str else Reader([]).model(kind, {}, ())


def _text_problem(key: Key, value: str) -> str:
    if key.choices and value not in key.choices:
        meant = nearest(value, key.choices)
        guess = f"; did you mean {quoted(meant)}?" if meant else ""
        return f"must be {_listed(key.choices)}, not {quoted(value)}{guess}"
    return key.rule.problem(value) if key.rule else ""


def _unknown(name: str, known: Iterable[str]) -> str:
    known = list(known)
    if _MEANT.get(name) in known:
        return f"unknown key; here it is called {_MEANT[name]}"
    if home := _home(name):
        return f"unknown key; {name} {home}"
    if meant := nearest(name, known):
        return f"unknown key; did you mean {meant}?"
    return f"unknown key; known here: {', '.join(known)}"


def _home(name: str) -> str:
    """Return where a misplaced key belongs, or an empty text."""
    known = list(tables())
    for header, _ in known:
        if header.strip("[]") == name:
            return f"is a table of its own: {header}"
    for header, kind in known:
        if name in {key_of(attribute).name for attribute in fields(kind)}:
            return (
                f"belongs in {header}" if header else "belongs at the top of the file, before the first table"
            )
    return ""


def _listed(texts: tuple[str, ...]) -> str:
    *first, last = (quoted(text) for text in texts)
    return f"{', '.join(first)} or {last}" if first else last


def _kind_of(value: object) -> str:
    return _KINDS.get(type(value), "a date or time")


def _plainly(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
