"""Finds PEM private keys in files: a fact of a package, an error in what configuring wrote. Pure."""

import re
from typing import Final

MARK: Final = b"PRIVATE KEY-----"
"""Cheap to look for before the rest is read."""

_PRIVATE_KEY: Final = re.compile(
    rb"-----BEGIN (?P<kind>[A-Z0-9 ]*)PRIVATE KEY-----[ \t]*\r?\n"
    rb"[A-Za-z0-9+/=:,.\- \t\r\n]+?"
    rb"-----END (?P=kind)PRIVATE KEY-----"
)


def holds_private_key(content: bytes | memoryview) -> bool:
    """Return whether `content` holds a whole PEM private key (RFC 7468, OpenSSH's too).

    The marker alone, as programs that read keys contain it, does not count.
    """
    return _PRIVATE_KEY.search(content) is not None


def private_keys(content: bytes) -> frozenset[bytes]:
    """Return the private keys in `content`, white space removed."""
    return frozenset(b"".join(match[0].split()) for match in _PRIVATE_KEY.finditer(content))
