"""Identity: SHA-256 over canonical bytes. Plans are named otherwise (see `sandbox/cache.py`)."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

# What may stand in a value that is hashed: no floats, whose text is not one thing.
Canonical = str | int | bool | None | Sequence["Canonical"] | Mapping[str, "Canonical"]

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def is_sha256(text: object) -> bool:
    """Return whether `text` is a digest or a key: only such ones ever become part of a path."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def canonical_json(value: Canonical) -> bytes:
    """Return the one JSON text of `value`: sorted keys, no spaces, UTF-8, no floats.

    Raises TypeError where a float or another type is inside.
    """
    _refuse_floats(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_of(value: Canonical) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, 64 hex digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError(f"a float cannot be hashed canonically: {value!r}")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key must be text: {key!r}")
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)
