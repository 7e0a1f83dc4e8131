"""Sizes and durations as people read and write them, and text that others wrote."""

import re
from typing import Final

_SIZE: Final = r"([0-9]+(?:\.[0-9]+)?)\s*([kKMGT]?)(i?)B?"
_DURATION: Final = r"([0-9]+)\s*(s|min|h|d|w)"
_SHORT: Final = r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min|m|h)"
_SHORT_SECONDS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_POWERS: Final = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def size_text(size_bytes: float) -> str:
    """Return a size as people read it: three digits and a decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 999.5 or unit == "GB":
            digits = 0 if unit == "B" or size_bytes >= 99.5 else 1
            return f"{size_bytes:.{digits}f} {unit}"
        size_bytes /= 1000
    raise AssertionError


def duration_text(seconds: float) -> str:
    """Return a duration as people read it: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 6000:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def bytes_of(text: str) -> int:
    """Return the bytes of a size as people write it: `20GB`, `1.5 GiB`, `500M`. Raises ValueError."""
    found = re.fullmatch(_SIZE, text.strip())
    if found is None or (found[3] and not found[2]):
        raise ValueError(f"{text!r} is no size: write 500MB, 20GB or 1.5GiB")
    unit: int = (1024 if found[3] else 1000) ** _POWERS[found[2]]
    return round(float(found[1]) * unit)


def seconds_of(text: str) -> int:
    """Return the seconds of a duration as people write it: `30min`, `12h`, `14d`, `2w`. Raises ValueError."""
    found = re.fullmatch(_DURATION, text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration: write 12h, 14d or 2w")
    return int(found[1]) * _SECONDS[found[2]]


def precise_seconds_of(text: str) -> float:
    """Return the seconds of a short duration: `500ms`, `2s`, `1.5min`, `1h`. Raises ValueError."""
    found = re.fullmatch(_SHORT, text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration: write 500ms, 2s or 1min")
    return float(found[1]) * _SHORT_SECONDS[found[2]]


def printable(text: str) -> str:
    r"""Return text that others wrote, with what could move a cursor, hide or reorder text escaped.

    Control characters, bidirectional controls and bytes that are no UTF-8 become `\xHH` or `\uHHHH`; a tab
    stays.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\t" else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that was no UTF-8 (surrogateescape)
        number -= 0xDC00
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
