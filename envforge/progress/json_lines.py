"""`--progress json`: one event a line, for programs that show progress themselves.

Each line is the event (`events.to_json`) with `time`, the seconds since the beginning. Byte counts of an item
within a tenth of a second are summed up in one event, and written before the next event of another kind.
"""

import json
import time
from collections import Counter
from typing import Final, TextIO

from envforge.progress.events import Bytes, End, Event, Log, to_json

INTERVAL_S: Final = 0.1


class JsonView:
    """Writes lines of JSON. Without `every_step` it leaves out what programs print."""

    def __init__(self, stream: TextIO, *, every_step: bool = False) -> None:
        self._stream = stream
        self._every_step = every_step
        self._born_s = time.monotonic()
        self._written_s = self._born_s
        self._counted: Counter[str] = Counter()
        self._has_ended = False

    def __call__(self, event: Event) -> None:
        """Write the event; byte counts are held back and summed up."""
        match event:
            case Bytes(count, item):
                self._counted[item] += count
                if time.monotonic() - self._written_s >= INTERVAL_S:
                    self._write_bytes()
            case Log() if not self._every_step:
                pass
            case End() if self._has_ended:
                pass
            case _:
                self._write_bytes()
                self._write(event)
                self._has_ended = isinstance(event, End)

    def _write_bytes(self) -> None:
        for item, count in self._counted.items():
            if count:
                self._write(Bytes(count, item))
        self._counted.clear()
        self._written_s = time.monotonic()

    def _write(self, event: Event) -> None:
        line = {**to_json(event), "time": round(time.monotonic() - self._born_s, 3)}
        self._stream.write(f"{json.dumps(line)}\n")
        self._stream.flush()
