"""Where a build happens."""

from attrs import frozen

from envforge.config import Config
from envforge.store.layout import Store


@frozen
class Site:
    """Where a build happens: the same for all of its parts, so that jobs can be handed to processes."""

    store: Store
    held: str
    config: Config
    anew: bool = False
    """Make every layer even where it is in the store, to compare."""
