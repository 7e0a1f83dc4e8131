"""CA certificates that the host trusts and the environment does not, such as a company proxy's.

They are trusted inside, and are in no layer. Those that Debian ships, on the host or inside, are left out, so
that an environment does not trust again what its release has dropped.
"""

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from attrs import field, frozen

from envforge.environment.made.own_files import BUNDLE
from envforge.sandbox.cache import TRUST_VARIABLES

BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep the bundle of all that they trust; the first that exists counts."""
SETTING: Final = (
    *TRUST_VARIABLES,
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
)
"""Variables that point programs to the bundle: OpenSSL's, and those of programs that ship their own."""
_ADDED: Final = "/usr/local/share/ca-certificates"
_SHIPPED: Final = "/usr/share/ca-certificates"
_FILE_MAX_BYTES: Final = 16 << 20
_PEM: Final = re.compile(
    rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END", re.DOTALL
)
_COMMON_NAME: Final = b"\x06\x03\x55\x04\x03"
_LINE: Final = 64


@frozen
class Certificate:
    """A certificate that the host trusts."""

    der: bytes = field(repr=False)
    source: str
    """The file that it was found in."""

    @property
    def name(self) -> str:
        """Return its subject's common name (X.509), else the beginning of its SHA-256."""
        _, found, rest = self.der.rpartition(_COMMON_NAME)
        text = rest[2 : 2 + rest[1]].decode(errors="replace") if found and len(rest) > 1 else ""
        return text if text.isprintable() and text else hashlib.sha256(self.der).hexdigest()[:16]


def sources(host: Mapping[str, str], configured: str = "") -> tuple[str, ...]:
    """Return the existing files of this host with certificates to trust; `configured` is the user's own."""
    bundle = next((path for path in BUNDLES if os.path.isfile(path)), "")
    named = [host.get(name, "") for name in TRUST_VARIABLES]
    found = [bundle, *_below(_ADDED), *named, configured]
    return tuple(dict.fromkeys(path for path in found if path.startswith("/") and os.path.isfile(path)))


def extra_ones(paths: Iterable[str], own: bytes) -> tuple[Certificate, ...]:
    """Return the files' certificates that are neither in `own` (PEM) nor shipped by the host's Debian."""
    shipped = (der for path in _below(_SHIPPED) for der in certificates_of(_read(path)))
    known = {*certificates_of(own), *shipped}
    found: dict[bytes, Certificate] = {}
    for path in paths:
        for der in certificates_of(_read(path)):
            if der not in known:
                found.setdefault(der, Certificate(der, path))
    return tuple(found.values())


def with_extra(own: bytes, certificates: Iterable[Certificate]) -> bytes:
    """Return the bundle `own` with these certificates appended."""
    ending = b"" if own.endswith(b"\n") or not own else b"\n"
    return own + ending + b"".join(_pem(one.der) for one in certificates)


def variables() -> dict[str, str]:
    """Return the variables that point programs inside to the bundle."""
    return dict.fromkeys(SETTING, BUNDLE)


def certificates_of(pem: bytes) -> list[bytes]:
    """Return the certificates of a PEM text as DER; undecodable ones are left out."""
    found = []
    for match in _PEM.finditer(pem):
        try:
            found.append(base64.b64decode(match[1]))
        except binascii.Error:
            continue
    return found


def _pem(der: bytes) -> bytes:
    text = base64.b64encode(der)
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""])


def _below(directory: str) -> Iterator[str]:
    for top, _, names in sorted(os.walk(directory)):
        yield from (os.path.join(top, name) for name in sorted(names) if name.endswith((".crt", ".pem")))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_FILE_MAX_BYTES)
    except OSError:
        return b""
