"""Files of packages other than conffiles that maintainer scripts change or remove, as `dpkg --verify` shows.

A reviewed table. Any other file that is not as it was shipped fails the build (`layers/whole.py`).
"""

import re
from functools import cache
from typing import Final

from attrs import frozen


@frozen
class Changing:
    """Paths that scripts write, and why that is as it should be."""

    pattern: str
    """A regular expression that the whole path matches."""
    why: str
    removes: bool = False
    """Scripts may remove them, too."""


TABLE: Final = (
    Changing(r"/etc/.*", "configuration that is no conffile: scripts and their users edit it", removes=True),
    Changing(r"/var/.*", "state, of which packages ship the beginning", removes=True),
)


def is_known(path: bytes, *, missing: bool) -> bool:
    """Return whether scripts are known to change a package's file or, if it is `missing`, to remove it."""
    return any(
        one.removes >= missing and re.fullmatch(_pattern(one.pattern), path, re.DOTALL) for one in TABLE
    )


@cache
def _pattern(text: str) -> bytes:
    return text.encode()
