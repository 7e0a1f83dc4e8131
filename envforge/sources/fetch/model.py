"""Data model of `[[fetch]]`: the request and its pins."""

from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from envforge.spec.from_outside import Fetch

Request: TypeAlias = "tuple[Fetch, ...]"
"""In the spec's order: later entries lie over earlier ones."""


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
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - few environments fetch anything

    parts = urlsplit(url)
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc or url
