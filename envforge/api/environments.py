"""`ls`: the current environments of a store's projects."""

from envforge.environment.made.listed import EnvironmentInfo, environments

__all__ = ["EnvironmentInfo", "environments"]
