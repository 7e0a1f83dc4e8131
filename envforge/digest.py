"""Keys and digests: SHA-256 over canonical JSON. Cached plans are named by a MAC (`sandbox/cache.py`)."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

# Values that can be hashed. No floats: the same number can be written as several texts.
Canonical = str | int | bool | None | Sequence["Canonical"] | Mapping[str, "Canonical"]

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def is_sha256(text: object) -> bool:
    """Return whether `text` has the form of a digest or a key; checked before it becomes part of a path."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def canonical_json(value: Canonical) -> bytes:
    """Return the canonical JSON of `value`: sorted keys, no spaces, UTF-8.

    Raises TypeError for a float, or any other type that is not `Canonical`.
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
