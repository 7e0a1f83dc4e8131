"""Hints, given once for each plan that is made: nothing is wrong, but something could be better."""

from collections.abc import Iterator, Mapping

from envforge import places
from envforge.environment.entering import git
from envforge.sandbox.inherited import unknown_locales
from envforge.sandbox.plan.compile import Compiled


def warnings() -> Iterator[str]:
    """Yield the warnings: unlike notes, they are shown even where the output is no terminal."""
    usual, used = places.usual_state_directory(), places.state_directory()
    if used != usual:
        lost = "the private home and what you allowed lie there, and may be lost"
        yield f"{usual} cannot be written, so {used} is used: {lost}"


def once(plan: Compiled, project: str, host: Mapping[str, str]) -> Iterator[str]:
    """Yield the hints for the plan of a project's directory, entered with these variables of the host."""
    if doubt := git.repository_of(project).doubt:
        yield f"git will not work inside: {doubt}"
    if plan["locales"] is not None:
        missing = sorted({host[name] for name in unknown_locales(host, plan["locales"])})
        if missing:
            names = " and ".join(missing)
            yield f"the environment has no locale {names}: C.UTF-8 is used (envforge add locales-all has all)"
