"""Keys and digests: SHA-256 over canonical JSON. Cached plans are named by a MAC (`sandbox/cache.py`)."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

try:
    from _sha2 import sha256 as _own  # type: ignore[import-not-found]  # of Python 3.12
except ImportError:
    from _sha256 import sha256 as _own  # type: ignore[import-not-found]

if TYPE_CHECKING:
    import hashlib

# Values that can be hashed. No floats: the same number can be written as several texts.
Canonical = str | int | bool | None | Sequence["Canonical"] | Mapping[str, "Canonical"]

_HEX: Final = "0123456789abcdef"
_SMALL_BYTES: Final = 1 << 18
"""So much is hashed in a millisecond by Python's own SHA-256; loading OpenSSL takes five."""


def is_sha256(text: object) -> bool:
    """Return whether `text` has the form of a digest or a key; checked before it becomes part of a path."""
    return isinstance(text, str) and len(text) == 64 and not text.strip(_HEX)


def new_sha256(size_bytes: int) -> "hashlib._Hash":
    """Return a SHA-256 to feed: the implementation that is the quicker one for about so many bytes."""
    if size_bytes <= _SMALL_BYTES:
        return _own()  # type: ignore[no-any-return]
    import hashlib  # noqa: PLC0415 - it loads OpenSSL

    return hashlib.sha256()


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of some bytes, 64 hex digits."""
    found = new_sha256(len(data))
    found.update(data)
    return found.hexdigest()


def canonical_json(value: Canonical) -> bytes:
    """Return the canonical JSON of `value`: sorted keys, no spaces, UTF-8.

    Raises TypeError for a float, or any other type that is not `Canonical`.
    """
    _refuse_floats(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_of(value: Canonical) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, 64 hex digits."""
    return sha256_of(canonical_json(value))


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
