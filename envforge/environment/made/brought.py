"""Which paths of an environment the spec itself brings: those in the layers of `[[fetch]]` and `[[files]]`.

They are read from the layers' listings: before it is unpacked nobody knows what an archive holds.
"""

import os

from attrs import field, frozen

from envforge.environment.made.model import Environment
from envforge.sources import registry
from envforge.store import layers, listing
from envforge.store.layout import Store


@frozen
class Brought:
    """The listings of those layers."""

    listings: tuple[bytes, ...] = field(default=(), repr=False)

    def holds(self, path: str) -> bool:
        """Return whether one of the layers has that path."""
        return any(listing.find(text, os.fsencode(path)) is not None for text in self.listings)

    def below(self, directory: str) -> str:
        """Return a path below that directory, "" if none of the layers has one."""
        start = os.fsencode(f"{directory.rstrip('/')}/")
        for text in self.listings:
            for path in listing.index(text):
                if path.startswith(start) and path != start:
                    return os.fsdecode(path)
        return ""


def read(store: Store, held: str, environment: Environment) -> Brought:
    """Return the paths that the spec brings into a built environment. Raises StoreError, IntegrityError."""
    found = [layer.digest for layer in environment.layers if registry.is_above_the_base(layer.name)]
    return Brought(tuple(layers.read_listing(store, held, digest) for digest in found))
