"""The two sides of a comparison, as values. Loads nothing else: `why` needs no more of it."""

from typing import Final

from envforge.values import frozen

UPPER: Final = "upper"
"""What lies over an environment's layers in a container or a sandbox, named as a layer."""


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


@frozen
class Inside:
    """Where that lies which a container, or a sandbox that runs, has changed of its environment's files."""

    upper: str
    """Its upper directory. It is foreign content, and not there before a first start."""
    layers_directory: str
    """Of the layers below, each in a directory named by its digest."""
    owner: tuple[int, int]
    """Which uid and gid the sandbox's root has on disk, as a namespace with all ids of the user shows it."""

    def roots(self, layers: tuple[LayerName, ...]) -> list[str]:
        """Return the directories that it shows, topmost first."""
        return [self.upper, *(f"{self.layers_directory}/{layer.digest}/root" for layer in layers)]
