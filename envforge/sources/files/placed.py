"""Data model of `[[files]]`: what was read from the project."""

from envforge.digest import sha256_of
from envforge.values import frozen


@frozen
class Placed:
    """One file, link or directory on its way into the environment."""

    target: str
    """Absolute inside."""
    type: str
    mode: int
    content: bytes
    """Bytes of a file, target of a link."""

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the content."""
        return sha256_of(self.content)
