"""The two sides of a comparison, as values. Loads nothing else: `why` needs no more of it."""

from attrs import frozen


@frozen
class LayerName:
    """A layer of one side."""

    name: str
    key: str
    """Empty where only a lock is known."""
    digest: str


@frozen
class Side:
    """One of the two things that are compared, as it is shown."""

    title: str
    """For people: `generation 3 of shop`."""
    environment: str = ""
    """Digest; empty for a directory, and for a lock that was never built."""
    layers: tuple[LayerName, ...] = ()
    """Top to bottom."""
