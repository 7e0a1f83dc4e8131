"""How large a generated store is, and how its files are shared out. Pure."""

from typing import Final

from attrs import frozen

VERSIONS: Final = 5
"""How many versions there are of each package."""
BASE: Final = 3
"""How many packages are the base."""
OF_CLOSURE: Final = ("database", "rest", "farm")
"""The layers that environments with the same packages share, besides the base."""


@frozen
class Sizes:
    """What was asked for."""

    environments: int = 1000
    layers: int = 10_000
    files: int = 1_000_000
    """Paths in trees and layers together, directories left out."""

    @property
    def of_package(self) -> int:
        """Files of one package."""
        return max(4, min(100, self.files // 400))

    @property
    def trees(self) -> int:
        """Unpacked packages: a fifth of the files are theirs."""
        return max(2 * (BASE + 2), self.files // 5 // self.of_package)

    @property
    def names(self) -> int:
        """How many packages there are, each in several versions."""
        return max(BASE + 2, self.trees // VERSIONS)

    @property
    def of_closure(self) -> int:
        """Packages of one environment: 15,000 files where there are a million."""
        return min(self.names, max(BASE + 2, 150 * 100 // self.of_package))

    @property
    def closures(self) -> int:
        """How many sets of packages there are: their farms link to most files."""
        rest = self.files * 4 // 5 - 3 * self.layers
        most = max(2, rest // (self.of_closure * self.of_package))
        return min(most, self.environments, max(1, self.layers // (2 * len(OF_CLOSURE))))

    @property
    def own_layers(self) -> int:
        """Layers that each environment has to itself."""
        shared = (len(OF_CLOSURE) + 1) * self.closures
        return max(1, (self.layers - shared) // self.environments)
