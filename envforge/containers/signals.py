"""Signals by the names and numbers that people write. Loaded where a command line or a spec names one."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as signals
else:
    import _signal as signals  # `signal` imports `enum`


def number_of(text: str) -> int:
    """Return the number of a signal: `TERM`, `SIGTERM`, `15`, `RTMIN+3`. Raises ValueError."""
    name, plus, further = text.upper().removeprefix("SIG").partition("+")
    number = int(text) if text.isdecimal() else getattr(signals, f"SIG{name}", 0)
    if plus and further.isdecimal():
        number += int(further)
    if isinstance(number, int) and 0 < number < signals.NSIG and (not plus or further.isdecimal()):
        return int(number)
    raise ValueError(f"{text!r} is no signal")
