"""Checks tables of a lock, which comes with a project and is not trusted: types of values, unknown keys."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

_SHOWN_MAX = 200


def only(table: Any, known: Collection[str]) -> None:
    """Raise TypeError if `table` is no table, ValueError if it has keys other than the `known` ones."""
    unknown = [key for key in as_table(table) if key not in known]
    if unknown:
        raise ValueError(f"{unknown[0][:_SHOWN_MAX]} is not known")


def as_table(value: Any) -> Mapping[str, Any]:
    """Return `value`, a table. Raises TypeError if it is none."""
    if not isinstance(value, dict):
        raise TypeError(f"a table is needed, not {str(value)[:_SHOWN_MAX]!r}")
    return value


def text(key: str, value: Any) -> str:
    """Return `value`, a string. Raises TypeError, naming `key`, if it is none."""
    if not isinstance(value, str):
        raise TypeError(f"{key} must be a text, not {value!r}")
    return value


def texts(key: str, value: Any) -> tuple[str, ...]:
    """Return `value`, a list of strings, as a tuple. Raises TypeError, naming `key`, if it is none."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{key} must be a list of texts, not {str(value)[:_SHOWN_MAX]}")
    return tuple(value)


def flag(key: str, value: Any) -> bool:
    """Return `value`, a boolean. Raises TypeError, naming `key`, if it is none."""
    if not isinstance(value, bool):
        raise TypeError(f"{key} must be true or false, not {value!r}")
    return value


def known(key: str, values: Iterable[str], there: Collection[str]) -> None:
    """Raise ValueError, naming `key`, if one of `values` is not in `there`."""
    for value in values:
        if value not in there:
            raise ValueError(f"{key}: {value[:_SHOWN_MAX]} is not there")
