"""`ls`, `show` and `tree`: which environments there are, what one is, and why each package is in it."""

from envforge.environment.made.inspect import (
    EnvironmentDetails,
    EnvironmentInfo,
    describe,
    environments,
    users,
)
from envforge.sources.interface import Package

__all__ = ["EnvironmentDetails", "EnvironmentInfo", "Package", "describe", "environments", "users"]
