"""Waves of unpacking: the order that Debian Policy (6.5, 7.2) promises to preinst scripts. Pure.

A preinst runs before its package is unpacked, and may rely on nothing but essential packages and those that
its own package pre-depends on, configured. So packages that have a preinst, or that dpkg itself must unpack,
come in waves: their pre-dependencies are configured, then their preinsts run, then their files appear.
"""

from collections.abc import Mapping

from attrs import frozen

from envforge.sources.debian.dpkg import relations
from envforge.sources.debian.recipes.plan import Package, Step


@frozen
class Wave:
    """Packages that are unpacked at the same time."""

    configure: tuple[str, ...]
    """Their pre-dependencies that no earlier wave has configured, with the dependencies of those."""
    preinsts: tuple[str, ...]
    """Packages of the farm whose preinst runs in this wave."""
    unpack: tuple[str, ...]
    """Packages that dpkg itself unpacks in this wave."""


def waves(step: Step, packages: Mapping[str, Package]) -> tuple[Wave, ...]:
    """Return the waves of a step over configured packages; nothing where no preinst runs."""
    fields = {name: package.relations for name, package in packages.items()}
    left = [
        name for name in step.configure if name in step.unpack or "preinst" in packages[name].facts.members
    ]
    needed = {name: _needed(name, fields) & frozenset(step.configure) for name in left}
    configured: frozenset[str] = frozenset()
    found = []
    while left:
        # In a cycle of pre-dependencies, which Policy forbids, none can be first: all go at once.
        now = [name for name in left if needed[name].isdisjoint(left)] or left
        before = frozenset().union(*(needed[name] for name in now)) - frozenset(left) - configured
        configured |= before
        found.append(
            Wave(
                tuple(sorted(before)),
                tuple(name for name in now if name not in step.unpack),
                tuple(name for name in now if name in step.unpack),
            )
        )
        left = [name for name in left if name not in now]
    return tuple(found)


def _needed(name: str, fields: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """Return what must be configured before a package is unpacked."""
    given = relations.providers(fields.items())
    groups = relations.parse(fields[name].get("Pre-Depends", ""))
    direct = (able for group in groups for one in group for able in given.get(one.name, ()))
    return relations.closure(direct, fields) - {name}
