"""Whether and when a container that has ended starts again, as Docker's restart policies say. Pure."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIRST_DELAY_S = 0.1
MAX_DELAY_S = 60.0
WELL_AFTER_S = 10.0
"""One that ran so long begins with the shortest delay again."""


class Restarts:
    """Decides after each end."""

    def __init__(self, asked: "dict[str, Any]") -> None:
        self._policy = asked["policy"]
        self._retries = asked["retries"]
        self._delay_s = FIRST_DELAY_S
        self._failed = 0

    def delay_s(self, exit_code: int, ran_s: float) -> "float | None":
        """Return after how many seconds to start again, None for never."""
        if self._policy == "no" or (self._policy == "on-failure" and exit_code == 0):
            return None
        if self._policy == "on-failure" and 0 < self._retries <= self._failed:
            return None
        self._failed += 1
        if ran_s >= WELL_AFTER_S:
            self._delay_s = FIRST_DELAY_S
        delay = self._delay_s
        self._delay_s = min(2 * delay, MAX_DELAY_S)
        return delay
