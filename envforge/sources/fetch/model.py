"""What `[[fetch]]` asks for, and what is pinned of it."""

from urllib.parse import unquote, urlsplit

from attrs import frozen

from envforge.spec.model import Fetch

Request = tuple[Fetch, ...]
"""In the spec's order, which says what lies over what."""


@frozen
class Pin:
    """What lies at an address."""

    sha256: str
    size: int


@frozen
class Fetched:
    """One of them, pinned, with what is made of it: all that its layer follows from."""

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
    parts = urlsplit(url)
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc or url
