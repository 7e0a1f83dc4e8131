"""Finds the environment that somebody means, by a project's name, a generation or a digest."""

import os
import re
from typing import Final

from envforge.environment.projects import generations
from envforge.environment.projects.project import label
from envforge.errors import AmbiguousError, NotFoundError
from envforge.store.layout import Store

_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{6,64})")
_HINT: Final = "`envforge ls` lists the environments"


def environment(store: Store, wanted: str) -> str:
    """Return the digest of an environment: `shop`, `shop:db`, `shop@3`, or six digits or more of its digest.

    Raises NotFoundError, and AmbiguousError with the candidates.
    """
    found = _by_name(store, wanted)
    if not found and (digits := _DIGEST.fullmatch(wanted)):
        names = (name.removesuffix(".json") for name in os.listdir(f"{store.path}/environments"))
        found = {name: name for name in names if name.startswith(digits[1]) and "." not in name}
    if not found:
        raise NotFoundError(f"there is no environment {wanted!r} in {store.path}", hint=_HINT)
    if len(set(found.values())) > 1:
        raise AmbiguousError(
            f"{wanted!r} may be any of {', '.join(sorted(found))}", hint="name one of them by more digits"
        )
    return next(iter(found.values()))


def _by_name(store: Store, wanted: str) -> dict[str, str]:
    """Return the digests of the environments of that name, by whose they are."""
    name, _, number = wanted.partition("@")
    return {
        f"{project.spec} {generation.environment[:12]}": generation.environment
        for project in generations.projects(store)
        if label(project.name, project.variant) == name
        for generation in project.generations
        if (generation.number == int(number) if number.isdecimal() else generation == project.current)
    }
