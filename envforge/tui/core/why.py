"""Why a package is there: the chains from what was asked for down to it."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

MOST: Final = 5


class Named(Protocol):
    """What is read of a package."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def asked(self) -> bool:
        """Return whether the spec names it."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the packages that it needs."""


def needed_by(packages: Sequence[Named]) -> Mapping[str, tuple[str, ...]]:
    """Return the packages that need each one."""
    found: dict[str, list[str]] = {package.name: [] for package in packages}
    for package in packages:
        for name in package.needs:
            if name in found:
                found[name].append(package.name)
    return {name: tuple(sorted(users)) for name, users in found.items()}


def chains(packages: Sequence[Named], name: str, most: int = MOST) -> tuple[tuple[str, ...], ...]:
    """Return the shortest chains from asked-for packages down to one, the shortest first, one for each asked.

    A package that was asked for itself has the chain of itself alone. None: it belongs to every system.
    """
    asked = {package.name for package in packages if package.asked}
    if name in asked:
        return ((name,),)
    users = needed_by(packages)
    next_: dict[str, str] = {name: ""}
    waiting = deque([name])
    found: list[tuple[str, ...]] = []
    while waiting and len(found) < most:
        one = waiting.popleft()
        if one in asked:
            found.append(_chain(next_, one))
            continue
        for user in users.get(one, ()):
            if user not in next_:
                next_[user] = one
                waiting.append(user)
    return tuple(found)


def _chain(next_: Mapping[str, str], start: str) -> tuple[str, ...]:
    chain = [start]
    while next_[chain[-1]]:
        chain.append(next_[chain[-1]])
    return tuple(chain)
