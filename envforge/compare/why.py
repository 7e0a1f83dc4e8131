"""Why a package is in an environment: the chains of needs that lead to it from what was asked for. Pure."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from envforge.errors import NotFoundError
from envforge.sources.interface import Package
from envforge.units import printable
from envforge.values import frozen

CHAINS_MAX: Final = 10
"""By default, so many are shown."""


@frozen
class Why:
    """The reasons for one package."""

    package: Package
    chains: tuple[tuple[Package, ...], ...]
    """From a package that was asked for down to this one, the shortest first; one for each that was asked."""
    base: bool
    """Nothing that was asked for needs it: it is part of the minimal system."""
    base_chains: tuple[tuple[Package, ...], ...] = ()
    """For such a one: from packages that nobody needs."""

    @property
    def asked(self) -> bool:
        """Return whether the spec names it."""
        return self.package.asked


def reasons(packages: Sequence[Package], name: str) -> tuple[Why, ...]:
    """Return the reasons for the packages of that name, one of each source. Raises NotFoundError."""
    found = [package for package in packages if name in {package.name, f"{package.source}:{package.name}"}]
    if not found:
        raise _unknown(packages, name)
    return tuple(
        _why([one for one in packages if one.source == package.source], package) for package in found
    )


def _unknown(packages: Sequence[Package], name: str) -> NotFoundError:
    import difflib  # noqa: PLC0415 - only after a mistake

    names = [package.name for package in packages]
    close = difflib.get_close_matches(name, names, n=3) or [one for one in names if name in one][:3]
    hint = (
        f"did you mean {' or '.join(map(printable, close))}?"
        if close
        else "`envforge tree` shows the packages"
    )
    return NotFoundError(f"no package of this environment is called {name!r}", hint=hint)


def _why(packages: Sequence[Package], package: Package) -> Why:
    by_name = {one.name: one for one in packages}
    below = _towards(packages, package.name)
    chains = sorted(
        (_chain(by_name, below, one.name) for one in packages if one.asked and one.name in below),
        key=lambda chain: (len(chain), [one.name for one in chain]),
    )
    if chains:
        return Why(package, tuple(chains), base=False)
    needed = {need for one in packages for need in one.needs if need != one.name}
    tops = [one.name for one in packages if one.name in below and one.name not in needed]
    base = sorted((_chain(by_name, below, name) for name in tops if name != package.name), key=len)
    return Why(package, (), base=True, base_chains=tuple(base))


def _towards(packages: Sequence[Package], goal: str) -> dict[str, str]:
    """Return, for each package that leads to the goal, the next one on a shortest way; breadth first."""
    needed_by: dict[str, list[str]] = {}
    for package in sorted(packages, key=lambda one: one.name):
        for need in package.needs:
            needed_by.setdefault(need, []).append(package.name)
    following = {goal: ""}
    waiting = deque([goal])
    while waiting:
        name = waiting.popleft()
        for above in needed_by.get(name, ()):
            if above not in following:
                following[above] = name
                waiting.append(above)
    return following


def _chain(by_name: dict[str, Package], following: dict[str, str], name: str) -> tuple[Package, ...]:
    chain = []
    while name:
        chain.append(by_name[name])
        name = following[name]
    return tuple(chain)
