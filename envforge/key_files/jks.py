"""Writes Java's keystore of trusted certificates reproducibly.

ca-certificates-java runs Java for it, which dates each entry now and keeps no order. Here: the same aliases
and certificates, sorted, dated 1970-01-01. The format is JKS version 2, as in OpenJDK's
sun.security.provider.JavaKeyStore:

    feedfeed 00000002 COUNT, then per entry 00000002 ALIAS DATE(ms, 8 bytes) "X.509" LENGTH DER,
    then SHA-1 of the password in UTF-16, "Mighty Aphrodite" and all of the above; strings as in DataOutput
"""

import base64
import binascii
import codecs
import hashlib
import os
import re
import struct
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Final

from envforge.errors import BuildError
from envforge.kernel.tree import Tree

PATH: Final = "/etc/ssl/certs/java/cacerts"

_MAGIC: Final = 0xFEEDFEED
_VERSION: Final = 2
_TRUSTED_CERTIFICATE: Final = 2
_UTF_16: Final = codecs.lookup("utf-16-be").encode
"""Looked up on import: a confined worker has no path to Python's codecs."""
_WHITENER: Final = b"Mighty Aphrodite"
_PASSWORD: Final = "changeit"  # noqa: S105  # public by design: it protects nothing but against typing errors
_CERTIFICATES: Final = "/etc/ssl/certs"
_SOURCES: Final = ("/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
_PEM: Final = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.*?)-----END", re.DOTALL)


def keystore(certificates: Mapping[str, bytes], password: str = _PASSWORD) -> bytes:
    """Return a keystore of trusted certificates: DER by alias. Pure."""
    lowered = {alias.lower(): der for alias, der in sorted(certificates.items())}
    body = struct.pack(">III", _MAGIC, _VERSION, len(lowered))
    for alias, der in sorted(lowered.items()):
        head = struct.pack(">I", _TRUSTED_CERTIFICATE) + _text(alias) + struct.pack(">q", 0)
        body += head + _text("X.509") + struct.pack(">I", len(der)) + der
    digest = hashlib.sha1(_UTF_16(password)[0] + _WHITENER + body, usedforsecurity=False)
    return body + digest.digest()


def read_keystore(data: bytes) -> dict[str, bytes]:
    """Return the certificates of a keystore that holds nothing else, DER by alias.

    Raises ValueError for any other content. The password is not checked.
    """
    try:
        return _read_keystore(data)
    except struct.error as error:
        raise ValueError("the keystore is cut short") from error


def _read_keystore(data: bytes) -> dict[str, bytes]:
    magic, version, count = struct.unpack_from(">III", data)
    if (magic, version) != (_MAGIC, _VERSION):
        raise ValueError("not a JKS keystore of version 2")
    certificates, position = {}, 12
    for _ in range(count):
        (tag,) = struct.unpack_from(">I", data, position)
        if tag != _TRUSTED_CERTIFICATE:
            raise ValueError("the keystore holds a key")
        alias, position = _text_at(data, position + 4)
        _, position = _text_at(data, position + 8)
        (length,) = struct.unpack_from(">I", data, position)
        certificates[alias] = data[position + 4 : position + 4 + length]
        position += 4 + length
    return certificates


def der_of(pem: bytes) -> bytes | None:
    """Return the first certificate of a PEM file as DER, None where there is none. Pure."""
    match = _PEM.search(pem)
    if match is None:
        return None
    try:
        return base64.b64decode(match[1])
    except binascii.Error:
        return None


def write_java_keystore(upper: str, lowers: Sequence[str]) -> bool:
    """Write the keystore into the tree `upper` if its environment has Java and ca-certificates-java.

    `upper` holds what configuring wrote, `lowers` the layers below, top to bottom. Return whether it was
    written. Raises BuildError for a link in /etc/ssl/certs to a certificate that is missing.
    """
    with ExitStack() as opened:
        trees = [opened.enter_context(Tree(path)) for path in (upper, *lowers)]
        has = [any(tree.holds(path) for tree in trees) for path in (os.path.dirname(PATH), "/usr/bin/java")]
        if not all(has) or not trees[0].is_directory(_CERTIFICATES):
            return False
        certificates = {f"debian:{name}": der for name, der in _certificates(trees)}
        trees[0].write(PATH, keystore(certificates))
    return True


def _certificates(trees: Sequence[Tree]) -> list[tuple[str, bytes]]:
    """Return name and DER of the certificates that ca-certificates linked into /etc/ssl/certs."""
    found = []
    for name in map(os.fsdecode, trees[0].names(_CERTIFICATES)):
        target = os.fsdecode(trees[0].link_target(f"{_CERTIFICATES}/{name}") or b"")
        if not name.endswith(".pem") or not target.startswith(_SOURCES):
            continue
        der = der_of(_read(trees, target))
        if der is not None:
            found.append((name, der))
    return found


def _read(trees: Sequence[Tree], path: str) -> bytes:
    for tree in trees:
        if tree.is_file(path):
            return tree.read(path)
    raise BuildError(f"a certificate is missing: {path}", hint="envforge build --rebuild")


def _text(value: str) -> bytes:
    """Return text as java.io.DataOutput writes it: UTF-8, for the basic plane without NUL."""
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def _text_at(data: bytes, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">H", data, position)
    end = position + 2 + length
    return data[position + 2 : end].decode(), end
