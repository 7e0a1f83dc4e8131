"""Generates the spec's reference (`specs/README.md`) and its JSON schema from the models' docstrings.

`python -m envforge.spec.reference` writes both anew; a test fails while they are not current.
"""

import ast
import inspect
import json
import os
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any, Final, get_args, get_origin

from attrs import NOTHING, Attribute, AttrsInstance, fields, has

from envforge import whole_file
from envforge.spec import environments, model
from envforge.spec.grammar import NAME, Rule
from envforge.spec.keys import Key, default_of, key_of
from envforge.spec.model import LATER_TABLES, Spec, tables

SCHEMA_NAME: Final = "envforge.schema.json"

_HEAD: Final = """\
# The spec: `envforge.toml`

What a project's environment holds, and how it is entered: one file, beside the project's sources.
`envforge init` proposes one. It is [TOML](https://toml.io/en/v1.0.0). Keys that are not on this page are
refused, and all that is wrong with a spec is said at once, as `file:line:column: key.path: message`.

The directories beside this page are specs to start from, each with a small program to try it with. Editors
that know JSON schemas for TOML complete and check keys after a first line
`#:schema PATH/envforge.schema.json`.

<!-- Made by `python -m envforge.spec.reference` from envforge/spec/model.py. Edit there. -->

## All of it

```toml
{example}```
"""

_ENVIRONMENTS: Final = """\
## `[environments.NAME]`

A further environment of the project: the tables on this page, below its name. The spec's own tables are the
environment `default`; `envforge -E NAME`, before a command or behind it, means another one.

```toml
[environments.test]
extends = "default"

[environments.test.debian]
packages = ["jq"]

[environments.db.debian]           # extends nothing: a system of its own
suite = "bookworm"
packages = ["postgresql"]
```

All of them share the project's directory, its private home and its lock, in which a package that two of
them have stands once. Each has layers, a digest and generations of its own. Lists call it `shop:db`, and
inside its host name is `shop-db`.

- **`extends`**: text; default: none.\x20\x20
  Another environment whose tables this one has too. Keys go before the other's. Lists of packages,
  archives, fetched files, files, mounts, `pass`, `forward` and `read-only` are added to the other's; a
  package that is asked for in another version takes the first one's place. `components`, `pockets` and
  `command` take the place of the other's.
"""

EXAMPLE: Final = """\
name = "shop"                      # a label
description = "the shop's development environment"
requires-envforge = ">=0.1"

[debian]
suite = "bookworm"
packages = ["git", "nodejs=18.*", "build-essential"]
recommends = false
components = ["main"]
pockets = ["updates", "security"]

[[debian.archive]]                 # a further archive
uri = "https://apt.example.org/debian"
suite = "bookworm-extra"
components = ["main"]
key = "keys/extra.asc"

[[fetch]]                          # a file or an archive from anywhere, pinned when locked
url = "https://example.org/tool-1.2.tar.gz"
target = "/opt/tool"
unpack = true
strip = 1
sha256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

[[files]]                          # becomes a part of the environment
source = "deploy/app.conf"
target = "/etc/app.conf"
mode = "0644"

[variables]
APP_ENV = "development"

[shell]
command = ["bash"]
home = "private"
user = "self"
pass = ["EDITOR", "AWS_*"]
forward = ["ssh-agent"]
privileges = false
nested = false
read-only = [".git/hooks"]

[[mounts]]                         # seen inside, besides the project directory
source = "~/.gitconfig"
target = "~/.gitconfig"
read-only = true
optional = true

[network]
mode = "host"
trust = "host"
"""


def reference() -> str:
    """Return the text of specs/README.md."""
    parts = [_HEAD.format(example=EXAMPLE), _section("At the top of the file", Spec)]
    for attribute in fields(Spec):
        name = key_of(attribute).name
        if get_origin(attribute.type) is Mapping:
            parts.append(f"## `[{name}]`\n\n{_texts(Spec)[attribute.name]}\n")
        parts += [_section(f"`{header}`", kind) for header, kind in tables() if _top(header) == name]
    parts.append(_ENVIRONMENTS)
    later = " and ".join(f"`[{name}]`" for name in LATER_TABLES)
    parts.append(f"## Not yet\n\n{later}, and the network mode `private`: they come with containers.\n")
    return "\n".join(parts)


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
        "propertyNames": {**_pattern(NAME), "not": {"const": environments.DEFAULT}},
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


def _entry(text: str, attribute: "Attribute[Any]") -> str:
    key = key_of(attribute)
    several = get_origin(attribute.type) is tuple
    plain = {bool: "true or false", int: f"number from 0 to {key.most}"}
    what = plain.get(attribute.type or object) or ("list of texts" if several else "text")
    if key.choices:
        choices = [f'`"{choice}"`' for choice in key.choices]
        what = f"list of {', '.join(choices)}" if several else " or ".join(choices)
    return f"- **`{key.name}`**: {what}; {_otherwise(attribute)}.  \n{_indented(text)}\n"


def _otherwise(attribute: "Attribute[Any]") -> str:
    if attribute.default is NOTHING:
        return "required"
    key = key_of(attribute)
    value = default_of(attribute) if not key.otherwise else None
    return f"default: {key.otherwise or _value(value)}"


def _value(value: object) -> str:
    return f"`{json.dumps(value)}`" if value not in ("", ()) else "none"


def _indented(text: str) -> str:
    return "\n".join(f"  {line.strip()}" for line in text.splitlines())


def _is_table(kind: Any) -> bool:
    return has(kind) or get_origin(kind) is Mapping or (get_origin(kind) is tuple and has(get_args(kind)[0]))


def _texts(kind: type) -> dict[str, str]:
    """Return the text under each field of a model, by the field's name."""
    body = _classes()[kind.__name__].body
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
def _classes() -> dict[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(model))
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
    if kind is int:
        return {"type": "integer", "minimum": 0, "maximum": key.most}
    if kind is str:
        return _text_schema(key)
    if get_origin(kind) is Mapping:
        return {
            "type": "object",
            "propertyNames": _pattern(key.names),
            "additionalProperties": {"type": "string"} | _pattern(key.rule),
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


if __name__ == "__main__":
    write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "specs"))
