"""JSON without the `json` module, whose import takes as long as reading a hundred records.

It stands on the two functions in C that `json` itself stands on; what it writes is what `json.dumps` writes.
"""

import _json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Context:
    """What the scanner in C asks for (`json.decoder.JSONDecoder`)."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


_scan = _json.make_scanner(_Context())  # type: ignore[arg-type]  # the stubs know its own kind only
_quoted = _json.encode_basestring_ascii


def loads(text: str) -> "Any":
    """Return the value of a JSON text. Raises ValueError."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("no JSON value") from None
    if text[end:].strip():
        raise ValueError("more than one JSON value")
    return value


def dumps(value: "Any") -> str:
    """Return the JSON text of dictionaries, lists, tuples, strings, numbers, truth values and None."""
    if isinstance(value, str):
        return _quoted(value)
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)}: {dumps(one)}" for key, one in value.items()) + "}"
    return "[" + ", ".join(map(dumps, value)) + "]"
