"""The seam between builds and caches."""

from typing import Any, Protocol


class Cache(Protocol):
    """Build records by key, archives of layers by digest; a directory, or whatever comes later.

    Each method raises OSError where the cache cannot be used.
    """

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def is_private(self) -> bool:
        """Whether nobody but this user, or root, can have put anything into it."""

    def lookup(self, key: str) -> dict[str, Any] | None:
        """Return the record of a key, as a store writes it: not believed."""

    def has(self, digest: str) -> bool:
        """Return whether there is an archive of that layer."""

    def pull(self, digest: str, path: str) -> None:
        """Write the archive of that layer into a new file. Raises FileNotFoundError where there is none."""

    def push(self, digest: str, archive: int) -> None:
        """Take over the archive of a layer, read from a descriptor; another one of that digest may stay."""

    def note(self, key: str, document: dict[str, Any]) -> None:
        """Take over the record of a key. Its layers are there already."""
