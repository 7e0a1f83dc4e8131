"""Where a project's spec and its store are, without reading either."""

from envforge.environment.projects.location import Location, locate
from envforge.trust import SPEC_NAME

__all__ = ["SPEC_NAME", "Location", "locate"]
