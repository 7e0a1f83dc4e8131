"""Opens or locates a project: by the path of its spec, or the nearest one."""

from envforge.environment.projects.location import Location, locate
from envforge.environment.projects.project import Project, open_project
from envforge.trust import SPEC_NAME

__all__ = ["SPEC_NAME", "Location", "Project", "locate", "open"]

open = open_project  # noqa: A001 (`projects.open`)
