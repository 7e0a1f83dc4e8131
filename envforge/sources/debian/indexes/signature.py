"""Verifies OpenPGP signatures of indexes. Only the text that it returns is ever parsed.

pysequoia verifies in this process: the host's gpg and its keyrings play no part.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Final

from attrs import frozen
from pysequoia import Cert, Sig, verify
from pysequoia.packet import PacketPile

from envforge.errors import SignatureError

KEYS_DIRECTORY: Final = os.path.join(os.path.dirname(__file__), "keys")
_CLEARTEXT: Final = b"-----BEGIN PGP SIGNED MESSAGE-----"


@frozen
class Signed:
    """Text with a good signature, and the signers."""

    text: bytes
    fingerprints: tuple[str, ...]
    """Fingerprints of the primary keys of all good signatures: hexadecimal, lower case, sorted."""


@cache
def shipped_keys() -> tuple[Cert, ...]:
    """Return the keys of Debian's archive, which come with envforge."""
    names = sorted(name for name in os.listdir(KEYS_DIRECTORY) if name.endswith(".asc"))
    return tuple(cert for name in names for cert in Cert.split_file(f"{KEYS_DIRECTORY}/{name}"))


def keys_of_file(path: str) -> tuple[Cert, ...]:
    """Return the keys of a file, armoured or not. Raises SignatureError."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise SignatureError(f"the key file {path} cannot be read: {error.strerror}") from error
    return keys_of_bytes(data, path)


def keys_of_bytes(data: bytes, name: str) -> tuple[Cert, ...]:
    """Return the keys in `data`, armoured or not; messages call it `name`. Raises SignatureError."""
    try:
        certs = tuple(Cert.split_bytes(data))
    except RuntimeError as error:
        raise SignatureError(f"{name} holds no OpenPGP keys: {_plain(error)}") from error
    if not certs:
        raise SignatureError(f"{name} holds no OpenPGP keys")
    return certs


def with_fingerprint(certs: Sequence[Cert], fingerprint: str, name: str) -> tuple[Cert, ...]:
    """Return the one key of `certs` that has this fingerprint. Raises SignatureError."""
    wanted = fingerprint.replace(" ", "").lower()
    found = tuple(cert for cert in certs if wanted in _fingerprints(cert))
    if not found:
        there = ", ".join(cert.fingerprint for cert in certs)
        raise SignatureError(f"{name} holds no key {wanted}, but {there}")
    return found


def verify_inline(data: bytes, certs: Sequence[Cert], name: str) -> Signed:
    """Return the signed text of an InRelease file. Raises SignatureError."""
    if not data.lstrip().startswith(_CLEARTEXT):
        raise SignatureError(
            f"{name}: has no signature",
            hint="the mirror serves something else there; set another one: [mirrors] in config.toml",
        )
    return _verify(data, None, certs, name)


def verify_detached(data: bytes, signature: bytes, certs: Sequence[Cert], name: str) -> Signed:
    """Return a Release file whose signature lies beside it in Release.gpg. Raises SignatureError."""
    return _verify(data, signature, certs, name)


def _verify(data: bytes, signature: bytes | None, certs: Sequence[Cert], name: str) -> Signed:
    asked_for: list[str] = []

    def keys(ids: Sequence[str]) -> list[Cert]:
        asked_for.extend(ids)
        return list(certs)

    try:
        detached = None if signature is None else Sig.from_bytes(signature)
        result = verify(data, store=keys, signature=detached)
    except RuntimeError as error:
        raise _failure(name, certs, asked_for, _plain(error)) from error
    now = datetime.now(UTC)
    alive = {cert.fingerprint for cert in certs if not cert.is_revoked and not _has_expired(cert, now)}
    fingerprints = tuple(sorted({str(good.certificate) for good in result.valid_sigs} & alive))
    text = data if signature is not None else result.bytes
    if not fingerprints or text is None:
        raise _failure(name, certs, asked_for, "no good signature")
    return Signed(text, fingerprints)


def _failure(name: str, certs: Sequence[Cert], asked_for: Sequence[str], reason: str) -> SignatureError:
    now = datetime.now(UTC)
    known = [cert for cert in certs if not _fingerprints(cert).isdisjoint(asked_for)]
    expired = [cert for cert in known if _has_expired(cert, now)]
    signers = ", ".join(asked_for) or "nobody"
    if expired:
        when = f"{expired[0].expiration:%Y-%m-%d}"
        return SignatureError(
            f"{name}: signed by {signers}; the key expired on {when}",
            hint="a newer release brings newer keys; else name the key: [keys] in config.toml",
        )
    if asked_for and not known:
        return SignatureError(
            f"{name}: signed by {signers}, whom nothing here trusts",
            hint="if this mirror signs by itself, name its key: [keys] in config.toml, or `key` in the spec",
        )
    return SignatureError(
        f"{name}: the signature is bad: {reason}",
        hint="try again later, or set another mirror: [mirrors] in config.toml",
    )


def _has_expired(cert: Cert, now: datetime) -> bool:
    """Return whether a key has expired. Its signatures count no more: their dates are the signer's claim."""
    return cert.expiration is not None and cert.expiration < now


def _fingerprints(cert: Cert) -> frozenset[str]:
    """Return the fingerprints of a key and its subkeys, and their key ids."""
    packets = [packet for packet in PacketPile.from_bytes(bytes(cert)) if packet.fingerprint]
    return frozenset(name for packet in packets for name in (packet.fingerprint, packet.key_id) if name)


def parse_date(text: str, name: str) -> datetime:
    """Return the moment that a Release file's `Date` or `Valid-Until` names. Raises SignatureError."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError as error:
        raise SignatureError(f"{name}: not a date: {text!r}") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def check_fresh(valid_until: str, name: str, now: datetime, hint: str = "") -> None:
    """Raise SignatureError, with `hint` or a general one, if an index is past its own `Valid-Until`."""
    end = parse_date(valid_until, name) if valid_until else now
    if end < now:
        raise SignatureError(
            f"{name}: expired on {end:%Y-%m-%d %H:%M} UTC, now is {now:%Y-%m-%d %H:%M}",
            hint=hint
            or "the mirror is stale, or this machine's clock is wrong; set another mirror in config.toml",
        )


def _plain(error: Exception) -> str:
    """Return the first line of an error: pysequoia adds its backtrace."""
    return str(error).partition("\n")[0].rstrip(".")
