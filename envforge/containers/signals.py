"""Signals by the names and numbers that people write: `TERM`, `SIGTERM`, `15`."""

import signal

from envforge.errors import UsageError


def number_of(text: str) -> int:
    """Return a signal's number. Raises UsageError for what is no signal."""
    plain = text.upper().removeprefix("SIG")
    if plain.isdecimal() and 0 < int(plain) <= signal.SIGRTMAX:
        return int(plain)
    base, sign, offset = plain.partition("+") if "+" in plain else plain.partition("-")
    try:
        found = int(signal.Signals[f"SIG{base}"])
    except KeyError:
        raise UsageError(
            f"{text!r} is no signal", hint="write TERM, INT, HUP, KILL or another of signal(7)"
        ) from None
    return found + (int(offset) if sign == "+" else -int(offset)) if offset.isdecimal() else found
