"""Freezes, thaws and limits a sandbox that runs, from any process of its user."""

import os
from collections.abc import Iterable
from errno import EBUSY, EINVAL
from typing import Final

from envforge.errors import LimitError
from envforge.sandbox import cgroup, record
from envforge.sandbox.compiled import Cgroup
from envforge.sandbox.limits import bases, choose, hierarchies, v1, v2
from envforge.sandbox.limits.model import Enforced, Limits
from envforge.sandbox.limits.processes import below, parent_of
from envforge.sandbox.limits.reading import having, places

_ROUNDS: Final = 20
_NO_CGROUP: Final = "`envforge doctor` says what it takes to have one"


def freeze(paths: Iterable[str], first: int) -> None:
    """Stop all processes of the sandbox with that PID 1 where they are. Raises LimitError without cgroups."""
    own = _own(paths, first, "it cannot be paused")
    there = places(own, first)
    if file := having(there, "cgroup.freeze"):
        cgroup.write(file, "1")
        return
    state = having(there, "freezer.state")
    if not state:
        base = v1.bases(hierarchies.find()).get("freezer")
        if base is None:
            raise LimitError("there is no freezer here, so it cannot be paused", hint=_NO_CGROUP)
        state = f"{_widen(base, own, first)}/freezer.state"
    cgroup.write(state, "FROZEN")


def thaw(paths: Iterable[str], first: int) -> None:
    """Let them go on."""
    there = places(paths, first)
    for file, text in (("cgroup.freeze", "0"), ("freezer.state", "THAWED")):
        if path := having(there, file):
            cgroup.write(path, text)


def _own(paths: Iterable[str], first: int, so: str) -> list[str]:
    """Return the directories of a sandbox's cgroup, made now where it has none yet."""
    there = places(paths, first)
    if there:
        return there
    here = choose.backend()
    usable = v1.bases(here.found) if here.kind == choose.V1 else {"": here.base}
    name = record.cgroup_name(parent_of(first), first)
    for controller in ("", "pids", "memory", "cpuacct"):
        if base := usable.get(controller):
            _widen(base, [f"{base}/{name}"], first)
    there = places((), first)
    if not there:
        raise LimitError(f"it has no cgroup, so {so}", hint=_NO_CGROUP)
    return there


def update(paths: Iterable[str], first: int, limits: Limits) -> Enforced:
    """Change those limits of a running sandbox that are named, and no others; return how they are enforced.

    Raises LimitError for what cannot be enforced, or is already exceeded.
    """
    own = _own(paths, first, "its limits cannot be changed")
    choose.check_processors(limits.cpuset)
    found = hierarchies.find()
    is_unified = os.path.exists(f"{own[0]}/cgroup.controllers")
    above = os.path.dirname(own[0])
    if is_unified:
        enforced = v2.enforce(limits, above, v2.available(above), swap=v2.counts_swap(above))
    else:
        enforced = v1.enforce(limits, found)
    for name, why in enforced.missing.items():
        raise LimitError(f"the limit {name} cannot be enforced: {why}", hint=choose.backend().mend)
    try:
        _write(enforced, own, first)
    except OSError as error:
        file = os.path.basename(error.filename or "")
        why = "more is in use" if error.errno == EBUSY else str(error.strerror)
        raise LimitError(
            f"the kernel refuses the limit: {file}: {why}", hint="allow more, or have it use less first"
        ) from error
    return enforced


def changed(plan: Cgroup, limits: Limits, enforced: Enforced) -> Cgroup:
    """Return a compiled plan's limits with those changed that were updated, for the next start."""
    bases = (*plan["bases"], *(base for base in enforced.bases if base not in plan["bases"]))
    return {
        **plan,
        "bases": bases,
        "others": tuple(base for base in plan["others"] if base not in bases),
        "writes": _changed(plan["bases"], plan["writes"], bases, enforced.bases, enforced.writes),
        "disks": _changed(plan["bases"], plan["disks"], bases, enforced.bases, enforced.disks),
        "memory": limits.memory or plan["memory"],
        "asked": tuple(dict.fromkeys((*plan["asked"], *choose.asked_for(limits)))),
    }


Writes = tuple[tuple[int, str, str], ...]


def _changed(
    old_bases: tuple[str, ...], old: Writes, bases: tuple[str, ...], new_bases: tuple[str, ...], new: Writes
) -> Writes:
    """Return what is written to `bases`: of a file that old and new ones name, the new."""
    texts = {(old_bases[number], file): text for number, file, text in old}
    texts |= {(new_bases[number], file): text for number, file, text in new}
    return tuple((bases.index(base), file, text) for (base, file), text in texts.items())


def _write(enforced: Enforced, own: list[str], first: int) -> None:
    name = os.path.basename(own[0])
    writes = [*enforced.writes]
    writes += [
        (number, file, text.replace("*", disk))
        for number, file, text in enforced.disks
        for disk in cgroup.disks()
    ]
    files = [(enforced.bases[number], file, text) for number, file, text in writes]
    for base in dict.fromkeys(base for base, _, _ in files):
        if not os.path.isdir(f"{base}/{name}"):
            _widen(base, own, first)
    again = []
    for base, file, text in files:
        try:
            cgroup.write(f"{base}/{name}/{file}", text)
        except OSError as error:
            # Version 1: memory may not exceed memory with swap, so which goes first depends on the direction.
            if error.errno != EINVAL or not file.startswith("memory."):
                raise
            again.append((f"{base}/{name}/{file}", text))
    for path, text in again:
        cgroup.write(path, text)


def _widen(base: str, own: list[str], first: int) -> str:
    """Give a sandbox a cgroup in one more hierarchy, and move all its processes there; return it."""
    path = f"{base}/{os.path.basename(own[0])}"
    try:
        moved: set[int] = set()
        for _ in range(_ROUNDS):
            there = {first, *(one.pid for one in below(first))} - moved
            if not there:
                break
            bases.prepare([base], (parent_of(first), *there))
            os.makedirs(path, exist_ok=True)
            for pid in there:
                _move(path, pid)
            moved |= there
    except OSError as error:
        raise LimitError(
            f"{error.filename or path}: {error.strerror}", hint="`envforge doctor` says what can be limited"
        ) from error
    return path


def _move(path: str, pid: int) -> None:
    try:
        cgroup.move([path], pid)
    except OSError:
        if os.path.exists(f"/proc/{pid}"):  # else it has just ended
            raise
