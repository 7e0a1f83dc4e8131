"""`allow`: what a spec may have beyond its own directory, and whose specs are believed.

Work that lacks consent raises ConsentError before it does anything. A face then shows `missing`, asks, calls
`allow`, and starts the work again.
"""

from envforge.environment.projects import consent, ownership
from envforge.environment.projects.consent import Allowed
from envforge.environment.projects.project import Project
from envforge.environment.projects.reach import Want

__all__ = [
    "Allowed",
    "Want",
    "allow",
    "allowed",
    "distrust",
    "missing",
    "revoke",
    "trust",
    "trusted",
    "wants",
]


def wants(project: Project) -> tuple[Want, ...]:
    """Return all that the project's spec wants now; `project.reach.digest` names exactly that."""
    return project.reach.wants


def missing(project: Project) -> tuple[Want, ...]:
    """Return what of it nobody has allowed."""
    return consent.missing(project)


def allow(project: Project) -> None:
    """Remember that the project may have all that its spec wants now."""
    consent.allow(project, project.reach)


def revoke(project: Project) -> bool:
    """Forget what the project was allowed; say whether there was anything."""
    return consent.revoke(project)


def allowed() -> tuple[Allowed, ...]:
    """Return what each project is allowed, by the spec's path."""
    return tuple(sorted(consent.everything(), key=lambda one: one.spec))


def trust(directory: str) -> str:
    """Believe the spec in that very directory, whoever can write there; return its real path."""
    return ownership.trust_directory(directory)


def distrust(directory: str) -> bool:
    """Believe it no more; say whether it was believed before."""
    return ownership.distrust_directory(directory)


def trusted() -> tuple[str, ...]:
    """Return the directories whose specs are believed, whoever can write there."""
    return tuple(sorted(ownership.trusted_directories()))
