"""What a new lock changes: `name old -> new`. Pure."""

from attrs import frozen

from envforge.lock.model import Lock


@frozen
class Change:
    """One package that comes, goes, or gets another version."""

    name: str
    """With the architecture behind a colon where a lock has several."""
    old: str
    """Version, empty where the package is new."""
    new: str
    """Version, empty where the package goes."""

    def __str__(self) -> str:
        """Return the line that people are shown."""
        return f"{self.name} {self.old or '(none)'} -> {self.new or '(none)'}"


def changes(old: Lock | None, new: Lock) -> tuple[Change, ...]:
    """Return the packages that differ between two locks, by name."""
    before, after = _versions(old) if old else {}, _versions(new)
    several = len({architecture for _, architecture in (*before, *after)}) > 1
    return tuple(
        Change(f"{name}:{architecture}" if several else name, was, is_now)
        for name, architecture in sorted({*before, *after})
        if (was := before.get((name, architecture), "")) != (is_now := after.get((name, architecture), ""))
    )


def _versions(lock: Lock) -> dict[tuple[str, str], str]:
    return {
        (package.name, item.architecture): package.version
        for item in lock.architectures
        for package in item.packages
    }
