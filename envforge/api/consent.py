"""`allow`: consent to what a spec wants beyond its directory, and trust in directories that hold specs.

Work that lacks consent raises ConsentError before it does anything. A front end then shows `missing`, asks,
calls `allow`, and starts the work again.
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
    """Return everything that the project's spec wants now; `project.reach.digest` is its hash."""
    return project.reach.wants


def missing(project: Project) -> tuple[Want, ...]:
    """Return the wants that nobody has allowed yet."""
    return consent.missing(project)


def allow(project: Project) -> None:
    """Remember that the project may have all that its spec wants now."""
    consent.allow(project, project.reach)


def revoke(project: Project) -> bool:
    """Forget what the project was allowed; return whether it was allowed anything."""
    return consent.revoke(project)


def allowed() -> tuple[Allowed, ...]:
    """Return what each project is allowed, sorted by the spec's path."""
    return tuple(sorted(consent.everything(), key=lambda one: one.spec))


def trust(directory: str) -> str:
    """Trust the specs in exactly this directory, whoever can write there; return its real path."""
    return ownership.trust_directory(directory)


def distrust(directory: str) -> bool:
    """Stop trusting the specs in a directory; return whether they were trusted."""
    return ownership.distrust_directory(directory)


def trusted() -> tuple[str, ...]:
    """Return the directories whose specs are trusted, whoever can write there."""
    return tuple(sorted(ownership.trusted_directories()))
