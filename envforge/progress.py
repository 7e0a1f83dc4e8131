"""How long work tells what it is doing: on standard error only, never what a program reads.

Callers hold a `Progress` and report from any thread. Nothing here starts a thread, because builds fork: a
picture is drawn when something is reported. A copy of it in a forked child stays silent.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

from attrs import define

from envforge.units import duration_text, size_text

PLAIN_INTERVAL_S: Final = 5.0
"""A line this often is enough for a log."""
LIVE_INTERVAL_S: Final = 0.1
PATIENCE_S: Final = 0.15
"""What is over by then is never drawn."""
_BAR_WIDTH: Final = 30
_BAR_MIN_WIDTH: Final = 10
_COLUMNS: Final = 80
# ECMA-48 control sequences: to the first column and erase to the end of the line; styles.
_ERASE: Final = "\r\x1b[K"
_PLAIN, _BOLD, _GREEN, _GREY = "\x1b[0m", "\x1b[1m", "\x1b[32m", "\x1b[90m"


class Progress(Protocol):
    """Told what long work does. Every method may be called from any thread."""

    def stage(self, name: str, total_bytes: int | None = None, total_items: int | None = None) -> None:
        """Begin a part of the work; the part before is over."""

    def advance(self, *, bytes: int = 0, items: int = 0, label: str = "") -> None:  # noqa: A002 (reads well at the caller's)
        """Add to what the stage has done; `label` names what was just done or is being done."""

    def doing(self, label: str) -> None:
        """Name what is being done at the moment."""

    def detail(self, text: str) -> None:
        """Tell a line of what a program prints, for those who want every step."""

    def message(self, text: str) -> None:
        """Say something that stays on the screen."""

    def done(self) -> None:
        """End the work. Saying it twice is harmless."""


@define
class Meter:
    """How far one stage is."""

    name: str
    total_bytes: int | None
    total_items: int | None
    started_s: float
    bytes: int = 0
    items: int = 0
    label: str = ""

    def rate(self, now_s: float) -> float | None:
        """Return bytes a second since the stage began, None where it is too early or all have come."""
        if self.total_bytes and self.bytes >= self.total_bytes:
            return None
        passed_s = now_s - self.started_s
        return self.bytes / passed_s if self.bytes and passed_s > PATIENCE_S else None

    def share(self) -> float | None:
        """Return how much is done, 0 to 1, None where no total is known.

        The mean of bytes and items: bytes come first and items follow, so each alone would mislead.
        """
        pairs = ((self.bytes, self.total_bytes), (self.items, self.total_items))
        shares = [min(1.0, done / total) for done, total in pairs if total]
        return sum(shares) / len(shares) if shares else None

    def left_s(self, now_s: float) -> float | None:
        """Return the seconds left at the stage's own pace, None while it is too early to say."""
        share, passed_s = self.share(), now_s - self.started_s
        if not share or share >= 1 or passed_s < 1:
            return None
        return passed_s * (1 - share) / share


def _amounts(meter: Meter) -> Iterator[str]:
    """Yield how much is done, most telling first."""
    if meter.total_items:
        yield f"{min(meter.items, meter.total_items)}/{meter.total_items}"
    elif meter.items:
        yield str(meter.items)
    if meter.total_bytes:
        yield f"{size_text(meter.bytes)} of {size_text(meter.total_bytes)}"
    elif meter.bytes:
        yield size_text(meter.bytes)


def describe(meter: Meter, now_s: float, width: int) -> str:
    """Return one line on the stage in at most `width` columns: what does not fit is left out."""
    parts = list(_amounts(meter))
    rate, left_s = meter.rate(now_s), meter.left_s(now_s)
    if left_s is not None:
        parts.insert(1, f"{duration_text(left_s)} left")
    if rate is not None:
        parts.append(f"{size_text(rate)}/s")
    if meter.label:
        parts.append(meter.label)
    line = meter.name
    for index, part in enumerate(parts):
        longer = f"{line}{', ' if index else ' '}{part}"
        if len(longer) > width:
            break
        line = longer
    return line[: max(width, 1)]


class NullProgress:
    """Says nothing: `--quiet`, tests, and whoever has no use for it."""

    def stage(self, name: str, total_bytes: int | None = None, total_items: int | None = None) -> None:
        """Say nothing."""

    def advance(self, *, bytes: int = 0, items: int = 0, label: str = "") -> None:  # noqa: A002
        """Say nothing."""

    def doing(self, label: str) -> None:
        """Say nothing."""

    def detail(self, text: str) -> None:
        """Say nothing."""

    def message(self, text: str) -> None:
        """Say nothing."""

    def done(self) -> None:
        """Say nothing."""


class _Metered:
    """What the two that speak have in common: one meter, one lock, and silence in a fork's copy."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._meter: Meter | None = None
        self._shown_s = 0.0

    @contextmanager
    def _speaking(self) -> Iterator[bool]:
        if os.getpid() != self._owner:  # the lock may be held for ever by a thread that was not copied
            yield False
            return
        with self._lock:
            yield True

    def stage(self, name: str, total_bytes: int | None = None, total_items: int | None = None) -> None:
        """Begin a stage."""
        with self._speaking() as speaking:
            if speaking:
                self._finish(time.monotonic())
                self._meter = Meter(name, total_bytes, total_items, time.monotonic())
                self._begin(self._meter)

    def advance(self, *, bytes: int = 0, items: int = 0, label: str = "") -> None:  # noqa: A002
        """Add to the stage and show it, if it was not shown just now."""
        with self._speaking() as speaking:
            if speaking and self._meter is not None:
                self._meter.bytes += bytes
                self._meter.items += items
                self._meter.label = label or self._meter.label
                self._show(self._meter, label)

    def doing(self, label: str) -> None:
        """Show what is being done, in the place of what was done before it."""
        with self._speaking() as speaking:
            if speaking and self._meter is not None:
                self._meter.label = label
                self._show(self._meter, "")

    def detail(self, text: str) -> None:
        """Say nothing: only who wants every step is told."""

    def message(self, text: str) -> None:
        """Print a line that stays."""
        with self._speaking() as speaking:
            if speaking:
                self._print(text)

    def done(self) -> None:
        """End the work."""
        with self._speaking() as speaking:
            if speaking:
                self._finish(time.monotonic())
                self._meter = None
                self._end()

    def _begin(self, meter: Meter) -> None:
        raise NotImplementedError

    def _show(self, meter: Meter, label: str) -> None:
        raise NotImplementedError

    def _finish(self, now_s: float) -> None:
        """Say the last word on the current stage, if there is one."""

    def _end(self) -> None:
        """Give the terminal back."""

    def _print(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()


class PlainProgress(_Metered):
    """Plain lines for logs and pipes: one at a stage's beginning, one every few seconds, one at its end."""

    def __init__(self, stream: TextIO, *, every_label: bool = False) -> None:
        super().__init__(stream)
        self._every_label = every_label

    def detail(self, text: str) -> None:
        """Print the line if every step is to be told."""
        with self._speaking() as speaking:
            if speaking and self._every_label:
                self._print(f"  {text}")

    def _begin(self, meter: Meter) -> None:
        self._shown_s = meter.started_s
        totals = [f"{meter.total_items} packages"] if meter.total_items else []
        totals += [size_text(meter.total_bytes)] if meter.total_bytes else []
        self._print(" ".join([meter.name, ", ".join(totals)]).rstrip())

    def _show(self, meter: Meter, label: str) -> None:
        now_s = time.monotonic()
        if self._every_label and label:
            self._print(f"  {label}")
        elif now_s - self._shown_s >= PLAIN_INTERVAL_S:
            self._shown_s = now_s
            self._print(f"  {describe(meter, now_s, 200)}")

    def _finish(self, now_s: float) -> None:
        meter = self._meter
        if meter is not None and now_s - meter.started_s >= 1:
            meter.label = ""
            done = ", ".join(_amounts(meter))
            took = duration_text(now_s - meter.started_s)
            self._print(f"  {done + ' in ' if done else ''}{took}")


class LiveProgress(_Metered):
    """One line that is drawn over and over, for terminals of any width.

    Every picture leaves the terminal as it was but for that line: whoever draws may be killed at any moment,
    and the process that waits for it then cleans up.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._born_s = time.monotonic()
        self._coloured = not os.environ.get("NO_COLOR")
        utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
        self._stroke = "━" if utf8 else "="

    def _begin(self, meter: Meter) -> None:
        self._show(meter, "")

    def _show(self, meter: Meter, label: str) -> None:
        del label
        now_s = time.monotonic()
        if now_s - self._born_s >= PATIENCE_S and now_s - self._shown_s >= LIVE_INTERVAL_S:
            self._shown_s = now_s
            self._write(f"{_ERASE}{self._picture(meter, now_s)}")

    def _picture(self, meter: Meter, now_s: float) -> str:
        width = _columns(self._stream) - 1  # the last column would wrap on some terminals
        line = describe(meter, now_s, width)
        bar = self._bar(meter.share(), width - len(line) - 2)
        name = line[: len(meter.name)]
        return f"{bar}{self._styled(name, _BOLD)}{line[len(name) :]}"

    def _bar(self, share: float | None, room: int) -> str:
        if share is None or room < _BAR_MIN_WIDTH:
            return ""
        columns = min(_BAR_WIDTH, room)
        full = round(columns * share)
        rest = (
            self._styled(self._stroke * (columns - full), _GREY) if self._coloured else " " * (columns - full)
        )
        return f"{self._styled(self._stroke * full, _GREEN)}{rest}  "

    def _styled(self, text: str, style: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._coloured and text else text

    def _print(self, text: str) -> None:
        self._write(f"{_ERASE}{text}\n")
        self._shown_s = 0.0

    def _end(self) -> None:
        self._write(_ERASE)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _columns(stream: TextIO) -> int:
    """Return the terminal's width; $COLUMNS comes first, as everywhere."""
    said = os.environ.get("COLUMNS", "")
    try:
        return int(said) if said.isdecimal() else os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except OSError:
        return _COLUMNS


def choose(stream: TextIO, *, quiet: bool = False, verbose: bool = False, live: bool = True) -> Progress:
    """Return the progress that fits: silent, plain lines with every label, a live line, or plain lines."""
    if quiet:
        return NullProgress()
    if verbose or not live or not stream.isatty() or os.environ.get("TERM") == "dumb":
        return PlainProgress(stream, every_label=verbose)
    return LiveProgress(stream)
