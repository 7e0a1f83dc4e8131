"""What containers have used over the last minute: one sample a second, drawn as a line of bars."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from envforge.api.containers import Usage

KEPT: Final = 60
_BARS: Final = "▁▂▃▄▅▆▇█"
_CPU_TOP_MIN: Final = 0.1
"""Below a tenth of a processor the bars stay low: noise is not drawn as if it were work."""


@define
class History:
    """The last samples of one container."""

    usage: "Usage"
    """The newest."""
    at_s: float
    cpus: deque[float] = field(factory=lambda: deque(maxlen=KEPT))
    """Processors' time per time, between one sample and the next."""
    memory: deque[int] = field(factory=lambda: deque(maxlen=KEPT))

    @property
    def share(self) -> float | None:
        """Return the share of one processor that it uses now, None while there is one sample only."""
        return self.cpus[-1] if self.cpus else None


@define
class Samples:
    """The histories of all containers that run, by their ids."""

    known: dict[str, History] = field(factory=dict)

    def note(self, found: "Mapping[str, tuple[float, Usage]]") -> None:
        """Take a sample of each that runs, with the time it was taken at; the others are forgotten."""
        for gone in self.known.keys() - found.keys():
            del self.known[gone]
        for identifier, (at_s, usage) in found.items():
            before = self.known.get(identifier)
            if before is None:
                before = self.known[identifier] = History(usage, at_s)
            else:
                _add_share(before, at_s, usage)
            before.usage, before.at_s = usage, at_s
            if usage.memory_bytes is not None:
                before.memory.append(usage.memory_bytes)


def _add_share(history: History, at_s: float, usage: "Usage") -> None:
    passed = at_s - history.at_s
    if passed > 0 and usage.cpu_ns is not None and history.usage.cpu_ns is not None:
        history.cpus.append(max(0.0, (usage.cpu_ns - history.usage.cpu_ns) / passed / 1e9))


def cpu_line(history: History, width: int) -> str:
    """Draw how busy it was; the highest bar is the busiest moment."""
    return line(history.cpus, width, max(_CPU_TOP_MIN, *history.cpus, 0.0))


def memory_line(history: History, width: int) -> str:
    """Draw how much memory it had: of its limit, where it has one that is not far away."""
    most = max(history.memory, default=0)
    limit = history.usage.memory_limit_bytes or 0
    return line(history.memory, width, limit if most * 8 > limit > 0 else most * 1.25)


def line(values: Iterable[float], width: int, top: float) -> str:
    """Return the last `width` values as bars, the newest at the right; nothing of them: blanks."""
    last = list(values)[-width:]
    steps = len(_BARS) - 1
    heights = [max(0, min(steps, round(value / top * steps))) if top else 0 for value in last]
    return "".join(_BARS[height] for height in heights).rjust(width)
