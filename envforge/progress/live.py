"""A status line that is redrawn in place, for terminals of any width.

    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  configuring libpam-runtime 61/180, 12 s left

A redraw changes nothing of the terminal but that line, no mode and no other line: the drawing process may be
killed at any moment. Events alone cause a redraw, at most every 0.1 s.
"""

import os
import time
from typing import Final, TextIO

from envforge.progress import meter as meters
from envforge.progress.events import Bytes, Doing, End, Event, Item, Message, Stage
from envforge.progress.meter import Meter, describe

INTERVAL_S: Final = 0.1
_BAR_WIDTH: Final = 30
_BARLESS: Final = 50
"""A terminal that is narrower has no room for a bar beside its text."""
_COLUMNS: Final = 80
# ECMA-48 control sequences: to the first column and erase to the end of the line; styles.
_ERASE: Final = "\r\x1b[K"
_PLAIN, _BOLD, _GREEN, _GREY = "\x1b[0m", "\x1b[1m", "\x1b[32m", "\x1b[90m"


class LiveView:
    """Draws the stage with a bar, its name and that of the package it is at; messages stay above it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._meter: Meter | None = None
        self._born_s = time.monotonic()
        self._shown_s = 0.0
        self._coloured = not os.environ.get("NO_COLOR")
        utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
        self._stroke = "━" if utf8 else "="

    def __call__(self, event: Event) -> None:
        """Draw what the event changes."""
        match event:
            case Stage():
                self._meter = Meter.of(event, time.monotonic())
                self._draw()
            case Bytes() | Doing() | Item():
                if self._meter is not None:
                    self._meter.count(event)
                    self._draw()
            case Message(text):
                self._write(f"{_ERASE}{text}\n")
                self._shown_s = 0.0
            case End():
                self._meter = None
                self._write(_ERASE)

    def _draw(self) -> None:
        now_s = time.monotonic()
        late = now_s - self._born_s >= meters.PATIENCE_S and now_s - self._shown_s >= INTERVAL_S
        if self._meter is not None and late:
            self._shown_s = now_s
            self._write(f"{_ERASE}{self._picture(self._meter, now_s)}")

    def _picture(self, meter: Meter, now_s: float) -> str:
        width = _columns(self._stream) - 1  # the last column would wrap on some terminals
        share = meter.share()
        bar = "" if share is None or width < _BARLESS else self._bar(share, width // 4)
        line = describe(meter, now_s, width - min(_BAR_WIDTH, width // 4) - 2 if bar else width)
        name = line[: len(meter.name)]
        return f"{bar}{self._styled(name, _BOLD)}{line[len(name) :]}"

    def _bar(self, share: float, room: int) -> str:
        columns = min(_BAR_WIDTH, room)
        full = round(columns * share)
        rest = (
            self._styled(self._stroke * (columns - full), _GREY) if self._coloured else " " * (columns - full)
        )
        return f"{self._styled(self._stroke * full, _GREEN)}{rest}  "

    def _styled(self, text: str, style: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._coloured and text else text

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _columns(stream: TextIO) -> int:
    """Return the terminal's width; $COLUMNS overrides it, as everywhere."""
    said = os.environ.get("COLUMNS", "")
    try:
        return int(said) if said.isdecimal() else os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except OSError:
        return _COLUMNS
