"""What a field of the spec's model says of its key in the file, and models as plain values again."""

from collections.abc import Mapping
from typing import Any, cast

from envforge.spec.grammar import Rule
from envforge.values import AttrsInstance, Field, fields, frozen


@frozen
class Key:
    """What the parser and the reference must know of a field besides its type and its default."""

    name: str
    """As it stands in the file."""
    rule: Rule | None = None
    """For a text, for each text of a list, or for each value of a table."""
    names: Rule | None = None
    """For the keys of a table whose keys are the user's."""
    choices: tuple[str, ...] = ()
    """The only texts that are taken, where there are so few."""
    least: float = 0
    """The smallest number that is taken."""
    most: float = 0
    """The largest one."""
    filled: bool = False
    """An empty list is refused."""
    otherwise: str = ""
    """Says what holds where the key is left out, if its default value does not say it."""


def named(name: str, **about: Any) -> dict[str, Key]:
    """Return the metadata of a field whose key has that name."""
    return {"key": Key(name=name, **about)}


def key_of(attribute: "Field[Any]") -> Key:
    """Return what a model's field says of its key."""
    return cast("Key", attribute.metadata["key"])


def written(model: AttrsInstance) -> dict[str, Any]:
    """Return a model as a file would say it, defaults left out: texts, booleans, numbers, lists, tables.

    Equal models give equal values, however their files were laid out.
    """
    values: dict[str, Any] = {}
    for attribute in fields(type(model)):
        value = getattr(model, attribute.name)
        if value != default_of(attribute, model):
            values[key_of(attribute).name] = _plain(value)
    return values


def default_of(attribute: "Field[Any]", model: AttrsInstance | None = None) -> object:
    """Return what a field is where nothing is written; attrs' `NOTHING` where something must be.

    `model` is needed only for `pockets`, whose default follows from the suite.
    """
    default: Any = attribute.default
    if not hasattr(default, "takes_self"):
        return cast("object", default)
    return cast("object", default.factory(model) if default.takes_self else default.factory())


def _plain(value: Any) -> object:
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return written(value)
