"""Finds the cgroup hierarchies of this machine: those of version 1, and the unified one of version 2."""

import os
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

NAME: Final = "envforge"
"""The directory in each hierarchy that holds the sandboxes' cgroups."""
CONTROLLERS: Final = frozenset({"memory", "cpu", "cpuacct", "cpuset", "pids", "blkio", "freezer"})


@frozen
class Hierarchies:
    """What is mounted."""

    separate: Mapping[str, str] = field(factory=dict)
    """Version 1: controller -> where its hierarchy is mounted."""
    unified: str = ""
    """Where version 2 is mounted; empty for nowhere."""
    unified_controllers: frozenset[str] = frozenset()
    own: Mapping[str, str] = field(factory=dict)
    """Controller -> the cgroup of this process, from the mount's root; the key of version 2 is empty."""


def find(mounts: str = "/proc/self/mountinfo", own: str = "/proc/self/cgroup") -> Hierarchies:
    """Return this machine's hierarchies (cgroups(7), proc(5))."""
    separate: dict[str, str] = {}
    unified = ""
    for line in _lines(mounts):
        words = line.split()
        kind, _, options = words[words.index("-") + 1 :][:3]
        place = words[4].encode().decode("unicode_escape")
        if kind == "cgroup2":
            unified = unified or place
        elif kind == "cgroup":
            for name in CONTROLLERS.intersection(options.split(",")):
                separate.setdefault(name, place)
    return Hierarchies(separate, unified, controllers(unified), dict(_own(own)))


def controllers(directory: str) -> frozenset[str]:
    """Return the controllers that a cgroup of version 2 has."""
    if not directory:
        return frozenset()
    try:
        with open(f"{directory}/cgroup.controllers", encoding="ascii") as file:
            return frozenset(file.read().split())
    except OSError:
        return frozenset()


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _own(path: str) -> list[tuple[str, str]]:
    found = []
    for line in _lines(path):
        _, names, place = line.split(":", 2)
        found += [(name, place) for name in names.split(",")]
    return found


def is_writable(directory: str) -> bool:
    """Say whether cgroups can be made in a directory, and processes moved into them."""
    return os.access(directory, os.W_OK | os.X_OK) and os.access(f"{directory}/cgroup.procs", os.W_OK)
