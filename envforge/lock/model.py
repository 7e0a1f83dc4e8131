"""The lock as data: every input of an environment by SHA-256. `lock/file.py` reads and writes it."""

from typing import Final

from attrs import field, frozen

from envforge.sources.debian.model import ArchitectureLock, Request

FORMAT: Final = 1
RECIPE_FORMAT: Final = 2
"""The recipe format of new locks. A release that would change any layer's bytes raises it."""


@frozen
class Lock:
    """A whole lock file."""

    request: Request
    architectures: tuple[ArchitectureLock, ...]
    format: int = FORMAT
    recipe_format: int = field(default=RECIPE_FORMAT)
