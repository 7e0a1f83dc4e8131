"""A layer as it is reported and recorded: a plain value, for those too who build nothing."""

from envforge.values import frozen


@frozen
class Built:
    """A layer of an environment: what is reported, recorded and put into digests."""

    name: str
    key: str
    digest: str
    size_bytes: int
    """Of its files, each path counted."""
    files: int
    """Number of paths that are no directories."""
    reused: bool
    """It was in the store already."""
