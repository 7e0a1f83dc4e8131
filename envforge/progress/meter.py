"""The progress of a stage, counted from its events, and one line of text about it. Pure."""

from collections.abc import Iterator
from typing import Final

from attrs import define

from envforge.progress.events import Bytes, Doing, Event, Item, Stage
from envforge.units import duration_text, size_text

PATIENCE_S: Final = 0.15
"""Nothing is drawn, and no rate given, before this much time has passed."""
NAME_WIDTH: Final = 24
"""Longer names of items are cut, so that the rest of the line does not jump about."""


@define
class Meter:
    """The progress of one stage."""

    name: str
    total_bytes: int | None
    total_items: int | None
    started_s: float
    unit: str = "packages"
    bytes: int = 0
    items: int = 0
    item: str = ""
    """What is being done, or was done last."""
    item_width: int = 0
    """As wide as the widest name so far."""

    @classmethod
    def of(cls, stage: Stage, now_s: float) -> "Meter":
        """Return the meter of a stage that begins now."""
        return cls(stage.name, stage.total_bytes, stage.total_items, now_s, stage.unit)

    def count(self, event: Event) -> bool:
        """Count an event of the stage; return whether it is of a kind that counts."""
        match event:
            case Bytes(count, item):
                self.bytes += count
            case Item(item):
                self.items += 1
            case Doing(item, _):
                pass
            case _:
                return False
        self.item = item or self.item
        self.item_width = max(self.item_width, min(len(self.item), NAME_WIDTH))
        return True

    def rate(self, now_s: float) -> float | None:
        """Return bytes a second since the stage began, None where it is too early or all have arrived."""
        if self.total_bytes and self.bytes >= self.total_bytes:
            return None
        passed_s = now_s - self.started_s
        return self.bytes / passed_s if self.bytes and passed_s > PATIENCE_S else None

    def share(self) -> float | None:
        """Return how much is done, 0 to 1, None where no total is known.

        The mean of both shares, bytes and items: bytes arrive first and items follow, so each alone misleads.
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

    def amounts(self) -> Iterator[str]:
        """Yield how much is done, most telling first."""
        if self.total_items:
            yield f"{min(self.items, self.total_items)}/{self.total_items}"
        elif self.items:
            yield str(self.items)
        if self.total_bytes:
            yield f"{size_text(self.bytes)} of {size_text(self.total_bytes)}"
        elif self.bytes:
            yield size_text(self.bytes)


def describe(meter: Meter, now_s: float, width: int) -> str:
    """Return one line on the stage in at most `width` columns; parts that do not fit are left out.

    The item's name comes right behind the stage's, in a column of its own.
    """
    rate, left_s = meter.rate(now_s), meter.left_s(now_s)
    rest = list(meter.amounts())
    if left_s is not None:
        rest.insert(1, f"{duration_text(left_s)} left")
    if rate is not None:
        rest.append(f"{size_text(rate)}/s")
    line = meter.name
    room = width - len(line) - len(rest[0] if rest else "") - 2
    if meter.item and room >= min(len(meter.item), NAME_WIDTH):
        line = f"{line} {_cut(meter.item).ljust(min(meter.item_width, room))}"
    for index, part in enumerate(rest):
        longer = f"{line}{', ' if index else ' '}{part}"
        if len(longer) > width:
            break
        line = longer
    return line[: max(width, 1)].rstrip()


def _cut(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…"
