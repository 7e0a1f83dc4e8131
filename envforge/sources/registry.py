"""The sources there are. This is the one place that names them; nothing else outside imports one."""

from typing import Final

from envforge.sources.debian.source import Debian
from envforge.sources.fetch.source import FetchSource
from envforge.sources.files.source import Files
from envforge.sources.interface import Local, Source

LOCKED: Final[tuple[Source, ...]] = (Debian(), FetchSource())
"""Those whose choices stand in the lock, bottom to top."""
LOCAL: Final[tuple[Local, ...]] = (Files(),)
"""Those that read the project's own files, bottom to top: they lie over all others."""


def source(name: str) -> Source:
    """Return the locked source of that name."""
    return next(one for one in LOCKED if one.name == name)
