"""Opens a project: by the path of its spec, or the nearest one."""

from envforge.environment.projects.project import Project, open_project
from envforge.trust import SPEC_NAME

__all__ = ["SPEC_NAME", "Project", "open"]

open = open_project  # noqa: A001 (`projects.open`)
