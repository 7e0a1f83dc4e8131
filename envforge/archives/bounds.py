"""How many bytes an archive may unpack to: a decompression bomb is refused before it fills the disk."""

from typing import Final

ARCHIVE_MAX_BYTES: Final = 1 << 36
"""Limit for any archive."""
UNPACKED_BYTES: Final = 1 << 30
RATIO_MAX: Final = 128
"""An archive may unpack to 1 GiB, or to this many times its size. Of Debian's archives, those that unpack to
more than 1 GiB have a ratio of at most 60 (piglit), smaller ones of up to 570 (test data)."""


def unpacked_max(packed_bytes: int) -> int:
    """Return how many bytes an archive of that size may unpack to."""
    return max(UNPACKED_BYTES, RATIO_MAX * packed_bytes)
