"""`ls`, `show` and `tree`: the store's environments, a project's own, and the reason for each package."""

from envforge.environment.made.inspect import (
    EnvironmentDetails,
    EnvironmentInfo,
    describe,
    environments,
    users,
)
from envforge.sources.interface import Package

__all__ = ["EnvironmentDetails", "EnvironmentInfo", "Package", "describe", "environments", "users"]
