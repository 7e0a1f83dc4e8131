"""Generates the spec's reference (`specs/README.md`) and its JSON schema from the models' docstrings.

`python -m envforge.spec.reference` writes both anew; a test fails while they are not current.
"""

import ast
import inspect
import json
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, Final, get_args, get_origin

from envforge import whole_file
from envforge.spec import environments
from envforge.spec.grammar import NAME, Rule
from envforge.spec.keys import Key, default_of, key_of
from envforge.spec.model import Spec, tables
from envforge.spec.names import DEFAULT
from envforge.spec.reference.texts import ENVIRONMENTS, EXAMPLE, HEAD
from envforge.values import NOTHING, AttrsInstance, Field, fields, has

SCHEMA_NAME: Final = "envforge.schema.json"


def reference() -> str:
    """Return the text of specs/README.md."""
    parts = [HEAD.format(example=EXAMPLE), _section("At the top of the file", Spec)]
    for attribute in fields(Spec):
        name = key_of(attribute).name
        if _is_table_of_texts(attribute.type):
            parts.append(f"## `[{name}]`\n\n{_texts(Spec)[attribute.name]}\n")
        parts += [_section(f"`{header}`", kind) for header, kind in _each_once() if _top(header) == name]
    parts.append(ENVIRONMENTS)
    return "\n".join(parts)


def _each_once() -> Iterator[tuple[str, type]]:
    """Yield the tables with their headers; of one that stands in two places only the outer."""
    outer: dict[type, str] = {}
    for header, kind in sorted(tables(), key=lambda one: one[0].count(".")):
        outer.setdefault(kind, header)
    yield from ((header, kind) for header, kind in tables() if outer[kind] == header)


def schema() -> dict[str, Any]:
    """Return the JSON schema of a spec. It accepts everything that the parser accepts, and little else."""
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "envforge.toml"}
    whole = _table_schema(Spec)
    whole["properties"][environments.TABLE] = _environments_schema(whole["properties"])
    return head | whole


def _environments_schema(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of further environments: nothing is required that may be inherited."""
    own = {name: table for name, table in tables.items() if name not in environments.COMMON}
    debian = {key: value for key, value in own["debian"].items() if key != "required"}
    extends = {"type": "string", "description": "Another environment whose tables this one has too."}
    return {
        "type": "object",
        "description": "Further environments of the project, by name.",
        "propertyNames": {**_pattern(NAME), "not": {"const": DEFAULT}},
        "additionalProperties": {
            "type": "object",
            "properties": {"extends": extends, **own, "debian": debian},
            "additionalProperties": False,
        },
    }


def write(directory: str) -> None:
    """Write both into the directory, `specs` of a source tree."""
    text = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    whole_file.write(os.path.join(directory, "README.md"), reference().encode(), mode=None)
    whole_file.write(os.path.join(directory, SCHEMA_NAME), text.encode(), mode=None)


def _top(header: str) -> str:
    return header.strip("[]").partition(".")[0]


def _section(title: str, kind: type[AttrsInstance]) -> str:
    plain = [attribute for attribute in fields(kind) if not _is_table(attribute.type)]
    entries = [_entry(_texts(kind)[attribute.name], attribute) for attribute in plain]
    about = (inspect.getdoc(kind) or "").removeprefix(f"{title}: ")
    return "\n".join([f"## {title}", "", about[:1].upper() + about[1:], "", *entries])


def _entry(text: str, attribute: "Field[Any]") -> str:
    key = key_of(attribute)
    several = get_origin(attribute.type) is tuple
    plain = {bool: "true or false", **dict.fromkeys((int, float), f"number from {key.least} to {key.most}")}
    what = plain.get(attribute.type or object) or ("list of texts" if several else "text")
    if key.choices:
        choices = [f'`"{choice}"`' for choice in key.choices]
        what = f"list of {', '.join(choices)}" if several else " or ".join(choices)
    return f"- **`{key.name}`**: {what}; {_otherwise(attribute)}.  \n{_indented(text)}\n"


def _otherwise(attribute: "Field[Any]") -> str:
    if attribute.default is NOTHING:
        return "required"
    key = key_of(attribute)
    value = default_of(attribute) if not key.otherwise else None
    return f"default: {key.otherwise or _value(value)}"


def _value(value: object) -> str:
    return f"`{json.dumps(value)}`" if value not in ("", ()) else "none"


def _indented(text: str) -> str:
    return "\n".join(f"  {line.strip()}" for line in text.splitlines())


def _is_table_of_texts(kind: Any) -> bool:
    return get_origin(kind) is Mapping and get_args(kind)[1] is str


def _is_table(kind: Any) -> bool:
    return has(kind) or get_origin(kind) is Mapping or (get_origin(kind) is tuple and has(get_args(kind)[0]))


def _texts(kind: type) -> dict[str, str]:
    """Return the text under each field of a model, by the field's name."""
    body = _classes(kind.__module__)[kind.__name__].body
    return {
        field.target.id: text.value.value
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _table_schema(kind: type[AttrsInstance]) -> dict[str, Any]:
    texts = _texts(kind)
    return {
        "type": "object",
        "description": " ".join((inspect.getdoc(kind) or "").split()),
        "properties": {
            key_of(attribute).name: _schema_of(attribute.type, key_of(attribute))
            | {"description": " ".join(texts[attribute.name].split())}
            for attribute in fields(kind)
        },
        "required": [key_of(item).name for item in fields(kind) if item.default is NOTHING],
        "additionalProperties": False,
    }


def _schema_of(kind: Any, key: Key) -> dict[str, Any]:
    if kind is bool:
        return {"type": "boolean"}
    if kind in (int, float):
        named = {int: "integer", float: "number"}[kind]
        return {"type": named, "minimum": key.least, "maximum": key.most}
    if kind is str:
        return _text_schema(key)
    if get_origin(kind) is Mapping:
        item = get_args(kind)[1]
        return {
            "type": "object",
            "propertyNames": _pattern(key.names),
            "additionalProperties": _text_schema(key) if item is str else _table_schema(item),
        }
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        items = _text_schema(key) if item is str else _table_schema(item)
        return {"type": "array", "items": items} | ({"minItems": 1} if key.filled else {})
    return _table_schema(kind)


def _text_schema(key: Key) -> dict[str, Any]:
    return {"type": "string"} | ({"enum": list(key.choices)} if key.choices else _pattern(key.rule))


def _pattern(rule: Rule | None) -> dict[str, Any]:
    return {"pattern": f"^(?:{rule.pattern})$"} if rule else {}
