"""`show` and `tree`: a project's environment, and the reason for each package."""

from envforge.environment.made.inspect import EnvironmentDetails, describe, users
from envforge.sources.interface import Package

__all__ = ["EnvironmentDetails", "Package", "describe", "users"]
