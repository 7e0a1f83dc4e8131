"""What a container has written, as lines to look at: so many at most, none too long, nothing obeyed."""

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envforge.api.containers_logs import Entry

LINES_MAX: Final = 5000
LENGTH_MAX: Final = 2000
_TAB: Final = 8
_STEERING: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?|[\x00-\x08\x0e-\x1f\x7f]"
)


@frozen
class Line:
    """One line of the log."""

    time: str
    """In UTC, as the log has it."""
    stream: str
    text: str


@define
class LogLines:
    """The last lines of one container's log, and which of them are shown."""

    lines: deque[Line] = field(factory=lambda: deque(maxlen=LINES_MAX))
    filter: str = ""
    dropped: int = 0
    """How many shown lines the last `add` pushed out at the top."""
    _begun: dict[str, tuple[str, bytes]] = field(factory=dict)
    _shown: list[Line] | None = None

    def clear(self) -> None:
        """Forget all lines; the filter stays."""
        self.lines.clear()
        self._begun.clear()
        self._shown = None

    def add(self, entries: "Iterable[Entry]") -> bool:
        """Take what came; return whether that is anything to see. What has no end yet waits for it."""
        before = self.shown()
        first = self.lines[0] if self.lines else None
        some = False
        for one in entries:
            time, text = self._begun.pop(one.stream, (one.time, b""))
            text += one.text[: 4 * LENGTH_MAX - len(text)] if len(text) < 4 * LENGTH_MAX else b""
            if one.is_whole:
                self.lines.append(Line(time, one.stream, clean(text)))
                some = True
            else:
                self._begun[one.stream] = (time, text)
        self.dropped = 0
        if some:
            self._shown = None
            if first is not self.lines[0]:
                kept = set(map(id, self.lines))
                self.dropped = sum(id(line) not in kept for line in before)
        return some

    def narrow(self, text: str) -> None:
        """Show the lines that have each of the words."""
        self.filter = text
        self._shown = None

    def shown(self) -> list[Line]:
        """Return the lines that the filter lets through."""
        if self._shown is None:
            words = self.filter.casefold().split()
            self._shown = [line for line in self.lines if all(word in line.text.casefold() for word in words)]
        return self._shown


def clean(text: bytes) -> str:
    r"""Return a line as it would stand there in the end: without colours, cursor moves and titles.

    What overwrote itself (`\r`) is shown as it was left. Other things that no terminal may see are
    escaped where they are drawn.
    """
    whole = _STEERING.sub("", text.decode(errors="replace"))
    last = next((part for part in reversed(whole.split("\r")) if part), "")
    return last.expandtabs(_TAB)[:LENGTH_MAX]
