"""Times, digests, paths and names as the screens write them."""

import os
import time
from typing import Final

from envforge.units import size_text

_UNITS: Final = ((365 * 86400, "y"), (30 * 86400, "mo"), (86400, "d"), (3600, "h"), (60, "min"))
_SPEC_NAME: Final = "envforge.toml"
NONE: Final = "-"


def ago(seconds: int, now: float | None = None) -> str:
    """Return how long ago a time was: `now`, `5 min ago`, `3 d ago`; a dash for 0."""
    if not seconds:
        return NONE
    passed = (time.time() if now is None else now) - seconds
    for length, unit in _UNITS:
        if passed >= length:
            return f"{int(passed // length)} {unit} ago"
    return "now"


def moment(seconds: int) -> str:
    """Return a time in the user's own zone, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else NONE


def short(digest: str) -> str:
    """Return the beginning of a digest: what commands take for the whole."""
    return digest.removeprefix("sha256:")[:12]


def place(spec: str) -> str:
    """Return a spec's path shortened: `~` for the home, its directory for the usual name."""
    home = os.path.expanduser("~")
    path = spec.removesuffix(f"/{_SPEC_NAME}")
    return f"~{path[len(home) :]}" if f"{path}/".startswith(f"{home}/") else path


def change(size_bytes: int) -> str:
    """Return a difference of sizes with its sign; nothing for none."""
    if not size_bytes:
        return ""
    return f"{'+' if size_bytes > 0 else '-'}{size_text(abs(size_bytes))}"


def bar(share: float, width: int) -> str:
    """Return a bar of `width` cells, `share` of it full, in eighths of a cell."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)


def printable(text: str) -> str:
    r"""Return text without anything that a terminal would obey: control characters as `\xNN`, one line."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(one: str) -> str:
    number = ord(one)
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a name that is not UTF-8
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def count(number: int, thing: str) -> str:
    """Return `1 file`, `2 files`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def part(shown: int, number: int, thing: str) -> str:
    """Return `1 of 8 files` where not all are shown, `8 files` where they are."""
    return f"{f'{shown} of ' if shown != number else ''}{count(number, thing)}"
