"""The sources there are. This is the one place that names them; nothing else outside imports one."""

from typing import Final

from envforge.sources.debian.source import Debian
from envforge.sources.interface import Source

LOCKED: Final[tuple[Source, ...]] = (Debian(),)
"""Those whose choices stand in the lock, bottom to top."""


def source(name: str) -> Source:
    """Return the source of that name."""
    return next(one for one in LOCKED if one.name == name)
