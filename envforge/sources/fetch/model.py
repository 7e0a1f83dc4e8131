"""Data model of `[[fetch]]`: the request and its pins."""

from typing import TYPE_CHECKING, Final, TypeAlias

from envforge.values import frozen

if TYPE_CHECKING:
    from envforge.spec.from_outside import Fetch

Request: TypeAlias = "tuple[Fetch, ...]"
"""In the spec's order: later entries lie over earlier ones."""


_ODD: Final = frozenset("%?#[")
"""Addresses with these are split as RFC 3986 has it, by a module that takes 4 ms to load."""


@frozen
class Pin:
    """The content of an address: its SHA-256, and its size in bytes."""

    sha256: str
    size: int


@frozen
class Fetched:
    """One entry of `[[fetch]]` with its pin: with the layers below, all that its layer depends on."""

    url: str
    pin: Pin
    target: str
    unpack: bool = False
    strip: int = 0
    mode: int = 0o644

    @property
    def name(self) -> str:
        """Return the last part of its address."""
        return name_of(self.url)


def name_of(url: str) -> str:
    """Return the last part of an address, its host where it has no path."""
    scheme, mark, rest = url.partition("://")
    if scheme.isalpha() and mark and not _ODD.intersection(rest):
        host, _, path = rest.partition("/")
        return path.rstrip("/").rpartition("/")[2] or host or url
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - few environments fetch anything

    parts = urlsplit(url)
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc or url
