"""`ls`: the current environments of a store's projects; and which of this user's sandboxes run."""

from envforge.environment.made.listed import EnvironmentInfo, environments
from envforge.sandbox.life.running import Running, running

__all__ = ["EnvironmentInfo", "Running", "environments", "running"]
