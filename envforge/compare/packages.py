"""Compares the packages of two sides: by source, name and architecture. Pure."""

from collections.abc import Container, Iterable, Iterator, Mapping

from envforge.compare.model import PackageChange, RuntimeChange
from envforge.sources.interface import Package

_Key = tuple[str, str, str]


def changes(old: Iterable[Package], new: Iterable[Package]) -> tuple[PackageChange, ...]:
    """Return the packages that differ, those that were asked for first, then by name.

    A change of architecture from `all` to another one is a change of the same package. Packages of one name
    and source are told apart by version only where a side has several of them.
    """
    before, after = _by_key(old), _by_key(new)
    found = [
        PackageChange(before.get(key), after.get(key))
        for key in before.keys() | after.keys()
        if _differ(before.get(key), after.get(key))
    ]
    return tuple(sorted(found, key=lambda one: (not one.asked, one.package.name, one.package.source)))


def _by_key(packages: Iterable[Package]) -> dict[_Key, Package]:
    """Return packages by source, name (a foreign architecture is part of it) and number of its kind."""
    found: dict[_Key, Package] = {}
    for package in packages:
        number = 0
        while (package.source, package.name, str(number)) in found:
            number += 1
        found[package.source, package.name, str(number)] = package
    return found


def _differ(old: Package | None, new: Package | None) -> bool:
    if old is None or new is None:
        return True
    known = bool(old.sha256 and new.sha256)  # of a directory's packages only versions are known
    return old.version != new.version or (known and (old.sha256, old.asked) != (new.sha256, new.asked))


def with_locked(
    found: Iterable[Package], locked: Iterable[Package], told: Container[str]
) -> tuple[Package, ...]:
    """Return the packages that a system says to have, with all that a lock knows of those that it pins.

    Those of other sources than are `told` by a system are as they are locked.
    """
    known = {(one.source, one.name, one.version): one for one in locked}
    there = (known.get((one.source, one.name, one.version), one) for one in found)
    return (*there, *(one for one in known.values() if one.source not in told))


def runtime_changes(
    old: Mapping[str, object], new: Mapping[str, object], above: str = ""
) -> Iterator[RuntimeChange]:
    """Yield the values of two runtime parts that differ, tables key by key."""
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        name = f"{above}.{key}" if above else key
        if isinstance(was, Mapping | None) and isinstance(now, Mapping | None):
            yield from runtime_changes(was or {}, now or {}, name)
        elif was != now:
            yield RuntimeChange(name, was, now)
