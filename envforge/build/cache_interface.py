"""The interface between builds and caches."""

from typing import Any, Protocol


class Cache(Protocol):
    """A cache: build records by key, archives of layers by digest.

    Each method raises OSError if the cache cannot be used.
    """

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def is_private(self) -> bool:
        """Whether nobody but this user, or root, can have put anything into it."""

    def lookup(self, key: str) -> dict[str, Any] | None:
        """Return the record of a key, in the store's form but unverified; None if there is none."""

    def has(self, digest: str) -> bool:
        """Return whether there is an archive of that layer."""

    def pull(self, digest: str, path: str) -> None:
        """Write the archive of that layer into a new file. Raises FileNotFoundError if there is none."""

    def push(self, digest: str, archive: int) -> None:
        """Store the archive of a layer, read from a descriptor; an existing one of that digest may stay."""

    def note(self, key: str, document: dict[str, Any]) -> None:
        """Store the record of a key, whose layers are in the cache already."""
