"""What a new lock changes: `name old -> new`. Pure."""

from attrs import frozen

from envforge.lock.model import Lock
from envforge.sources import registry
from envforge.sources.interface import Package

_Where = tuple[str, str, str]
"""Package, architecture, environment."""


@frozen
class Change:
    """One package that is added, removed, or changes its version."""

    name: str
    """With the architecture behind a colon, where a lock has several."""
    old: str
    """Version, empty where the package is new."""
    new: str
    """Version, empty where the package goes."""
    asked: bool = False
    """The spec names it."""
    environment: str = ""
    """Where the lock has several."""

    def __str__(self) -> str:
        """Return the change for people, without its environment: several may share one line."""
        return f"{self.name} {self.old or '(none)'} -> {self.new or '(none)'}"


def changes(old: Lock | None, new: Lock) -> tuple[Change, ...]:
    """Return the packages that differ between two locks, by name."""
    before, after = _packages(old) if old else {}, _packages(new)
    architectures = {architecture for _, architecture, _ in (*before, *after)}
    environments = {environment for _, _, environment in (*before, *after)}
    found = []
    for where in sorted({*before, *after}):
        name, architecture, environment = where
        label = f"{name}:{architecture}" if len(architectures) > 1 else name
        was, is_now = before.get(where), after.get(where)
        then, now = was.version if was else "", is_now.version if is_now else ""
        if then != now:
            asked = is_now.asked if is_now else False
            found.append(Change(label, then, now, asked, environment if len(environments) > 1 else ""))
    return tuple(found)


def _packages(lock: Lock) -> dict[_Where, Package]:
    return {
        (package.name, architecture, name): package
        for name, environment in lock.environments.items()
        for architecture, part in environment.parts.items()
        for source in registry.LOCKED
        if source.name in part.pinned
        for package in source.packages(part.pinned[source.name])
    }
