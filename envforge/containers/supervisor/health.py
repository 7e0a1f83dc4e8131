"""Health of a container: what checks say, and when the next one is due. Pure; loaded by supervisors.

A container is `starting` until a check passes once, `healthy` from then on, and `unhealthy` after so many
failures in a row. In its start period a container that has never been well is asked more often, and its
failures do not count.
"""

STARTING = "starting"
HEALTHY = "healthy"
UNHEALTHY = "unhealthy"

OUTPUT_MAX_BYTES = 4096
"""So much of a check's last output is kept."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Health:
    """The health of one container since its last start. Times are seconds of a monotonic clock."""

    __slots__ = ("_config", "_due", "_started", "failing", "output", "status")

    def __init__(self, config: "dict[str, Any]", now: float) -> None:
        self._config = config
        self._started = now
        self.status = STARTING
        self._due = now + self._pause(now)
        self.failing = 0
        self.output = ""

    @property
    def due(self) -> float:
        """When the next check shall begin."""
        return self._due

    def checked(self, *, passed: bool, output: str, now: float) -> bool:
        """Take a check's result; return whether the status or the count of failures has changed."""
        before = (self.status, self.failing)
        self.output = output[-OUTPUT_MAX_BYTES:]
        if passed:
            self.status, self.failing = HEALTHY, 0
        elif not self._is_starting(now):
            self.failing += 1
            if self.failing >= self._config["retries"]:
                self.status = UNHEALTHY
        self._due = now + self._pause(now)
        return before != (self.status, self.failing)

    def _is_starting(self, now: float) -> bool:
        return self.status == STARTING and now - self._started < self._config["start_period"]

    def _pause(self, now: float) -> float:
        return float(self._config["start_interval" if self._is_starting(now) else "interval"])

    def document(self) -> "dict[str, Any]":
        """Return it as it stands in the container's state."""
        return {"status": self.status, "failing": self.failing, "output": self.output}
