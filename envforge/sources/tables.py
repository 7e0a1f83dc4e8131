"""Reads TOML tables that come with a project: the kinds of values are checked, unknown keys refused."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

_SHOWN_MAX = 200


def only(table: Any, known: Collection[str]) -> None:
    """Raise TypeError where it is no table, ValueError where it has other keys."""
    unknown = [key for key in as_table(table) if key not in known]
    if unknown:
        raise ValueError(f"{unknown[0][:_SHOWN_MAX]} is not known")


def as_table(value: Any) -> Mapping[str, Any]:
    """Return a table. Raises TypeError where it is none."""
    if not isinstance(value, dict):
        raise TypeError(f"a table is needed, not {str(value)[:_SHOWN_MAX]!r}")
    return value


def text(key: str, value: Any) -> str:
    """Return a text. Raises TypeError where it is none."""
    if not isinstance(value, str):
        raise TypeError(f"{key} must be a text, not {value!r}")
    return value


def texts(key: str, value: Any) -> tuple[str, ...]:
    """Return a list of texts. Raises TypeError where it is none."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{key} must be a list of texts, not {str(value)[:_SHOWN_MAX]}")
    return tuple(value)


def flag(key: str, value: Any) -> bool:
    """Return true or false. Raises TypeError where it is neither."""
    if not isinstance(value, bool):
        raise TypeError(f"{key} must be true or false, not {value!r}")
    return value


def known(key: str, values: Iterable[str], there: Collection[str]) -> None:
    """Raise ValueError where one of the values is not among those there."""
    for value in values:
        if value not in there:
            raise ValueError(f"{key}: {value[:_SHOWN_MAX]} is not there")
