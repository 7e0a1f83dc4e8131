"""The list of sources: the only module outside a source's own folder that imports it."""

from typing import Final

from envforge.sources.debian.source import Debian
from envforge.sources.fetch.source import FetchSource
from envforge.sources.files.source import Files
from envforge.sources.interface import Local, Source

LOCKED: Final[tuple[Source, ...]] = (Debian(), FetchSource())
"""Sources with pins in the lock, bottom to top."""
LOCAL: Final[tuple[Local, ...]] = (Files(),)
"""Sources that read the project's own files, bottom to top; their layers lie over all locked ones."""


def is_above_the_base(layer: str) -> bool:
    """Return whether a layer of that name is of another source than the lowest: `fetch-1`, `files`."""
    above = {*(one.name for one in LOCKED[1:]), *(one.name for one in LOCAL)}
    return layer.partition("-")[0] in above


def reads_facts(data: bytes) -> bool:
    """Return whether any source can read these facts of an archive."""
    return any(one.reads(data) for one in LOCKED)


def source(name: str) -> Source:
    """Return the locked source of that name."""
    return next(one for one in LOCKED if one.name == name)
