"""Finds values of a spec that are valid alone and contradict each other. Looks at the model only."""

import re
from collections.abc import Iterator
from typing import Final

from envforge import usrmerge
from envforge.spec.grammar import FINGERPRINT, quoted, split_request
from envforge.spec.model import Archive, Spec
from envforge.spec.positions import Path
from envforge.spec.structure import Problem, dotted
from envforge.units import bytes_of

_MERGED: Final = tuple(f"/{name}" for name in usrmerge.LINKS)
_MADE_ON_ENTRY: Final = ("/dev", "/proc", "/run", "/sys", "/tmp", "/var/run", "/var/lock")  # noqa: S108 - names only
_MEMORY_LEAST: Final = 6 * 1024 * 1024
_NEVER_COVERED: Final = ("/dev", "/proc", "/sys")
_OWN_VARIABLES: Final = {
    "HOME": "it follows from shell.home",
    "SSH_AUTH_SOCK": 'its socket would not be there; write forward = ["ssh-agent"] in [shell]',
}


def contradictions(spec: Spec, wrong: set[Path]) -> Iterator[Problem]:
    """Yield the contradictions of a spec, without those that involve paths that are `wrong` already."""
    for problem, others in _all(spec):
        if wrong.isdisjoint((problem.path, *others)):
            yield problem


def _all(spec: Spec) -> Iterator[tuple[Problem, tuple[Path, ...]]]:
    for problem in _privileges(spec):
        yield problem, (("shell", "user"),)
    for check in (_pins, _archives, _fetch, _files, _mounts, _variables, _passed, _limits):
        for problem in check(spec):
            yield problem, ()


def _privileges(spec: Spec) -> Iterator[Problem]:
    if spec.shell.privileges and spec.shell.user == "self":
        message = (
            'cannot be true with user = "self", where your own id has changed places with root\'s and set-id '
            'programs would be of no use; write user = "root" or the name of another user of the environment'
        )
        yield Problem(("shell", "privileges"), message)


def _pins(spec: Spec) -> Iterator[Problem]:
    """Yield packages that are asked for in two versions; the same request twice does no harm."""
    seen: dict[str, tuple[str, Path]] = {}
    for index, request in enumerate(spec.debian.packages):
        name, version = split_request(request)
        path: Path = ("debian", "packages", index)
        first, where = seen.setdefault(name, (version, path))
        if request and first != version:
            other = f"{name}={first}" if first else name
            yield Problem(path, f"{quoted(request)} contradicts {quoted(other)} in {dotted(where)}")


def _archives(spec: Spec) -> Iterator[Problem]:
    seen: dict[tuple[str, str], Path] = {}
    for index, archive in enumerate(spec.debian.archives):
        path: Path = ("debian", "archive", index)
        yield from _archive_key(archive, path)
        where = seen.setdefault((archive.uri.rstrip("/"), archive.suite), path)
        if archive.uri and where != path:
            yield Problem(path, f"is the same archive as {dotted(where)}; name all components in one")


def _archive_key(archive: Archive, path: Path) -> Iterator[Problem]:
    is_fingerprint = bool(re.fullmatch(FINGERPRINT, archive.key))
    if is_fingerprint and not archive.key_source:
        yield Problem(
            (*path, "key"), "a fingerprint needs key-source, the address that its key is fetched from"
        )
    if archive.key_source and not is_fingerprint:
        yield Problem((*path, "key-source"), "needs key to be the fingerprint of the key that lies there")


def _fetch(spec: Spec) -> Iterator[Problem]:
    for index, one in enumerate(spec.fetch):
        path: Path = ("fetch", index)
        if one.unpack and one.mode:
            yield Problem((*path, "mode"), "is for a single file; what is unpacked has the archive's modes")
        if one.strip and not one.unpack:
            yield Problem((*path, "strip"), "is for archives: write unpack = true")
        if one.target == "/" and not one.unpack:
            yield Problem((*path, "target"), "is a directory: write the file's own whole path")


def _files(spec: Spec) -> Iterator[Problem]:
    seen: dict[str, Path] = {}
    fetched = [(("fetch", index, "target"), one.target, one.unpack) for index, one in enumerate(spec.fetch)]
    local = [(("files", index, "target"), one.target, False) for index, one in enumerate(spec.files)]
    path: Path
    for path, target, several in (*fetched, *local):
        merged = f"/usr{target}" if _above(target, _MERGED) else target
        where = path if several else seen.setdefault(merged, path)
        if target and where != path:
            yield Problem(path, f"{quoted(target)} is the target of {dotted(where[:2])} already")
        if covering := _above(target, _MADE_ON_ENTRY):
            yield Problem(path, f"{quoted(target)} would never be seen: {covering} is made anew on entry")


def _mounts(spec: Spec) -> Iterator[Problem]:
    seen: dict[str, Path] = {}
    for index, mount in enumerate(spec.mounts):
        path: Path = ("mounts", index, "target")
        where = seen.setdefault(mount.target, path)
        if mount.target and where != path:
            yield Problem(path, f"{quoted(mount.target)} is the target of {dotted(where[:2])} already")
        if covering := _above(mount.target, _NEVER_COVERED):
            yield Problem(path, f"{quoted(mount.target)} cannot be covered: {covering} is the sandbox's own")


def _variables(spec: Spec) -> Iterator[Problem]:
    for name in spec.variables:
        if name in _OWN_VARIABLES:
            yield Problem(("variables", name), f"cannot be set: {_OWN_VARIABLES[name]}", on_key=True)


def _passed(spec: Spec) -> Iterator[Problem]:
    for index, name in enumerate(spec.shell.pass_):
        path: Path = ("shell", "pass", index)
        if name in _OWN_VARIABLES and (name != "SSH_AUTH_SOCK" or "ssh-agent" not in spec.shell.forward):
            yield Problem(path, f"cannot be passed: {_OWN_VARIABLES[name]}")
        if name in spec.variables:
            yield Problem(path, f"{name} is set in [variables] as well; only one of the two can hold")


def _limits(spec: Spec) -> Iterator[Problem]:
    limits = spec.limits
    if limits.memory and bytes_of(limits.memory) < _MEMORY_LEAST:
        yield Problem(("limits", "memory"), f"{quoted(limits.memory)} is too little: 6MiB is the least")
    if limits.swap and not limits.memory:
        yield Problem(("limits", "swap"), "needs memory: it is what may be swapped out besides")
    for name, rate in (("io-read", limits.io_read), ("io-write", limits.io_write)):
        if rate and bytes_of(rate.removesuffix("/s")) < 1:
            yield Problem(("limits", name), f"{quoted(rate)} would let nothing through")
    for part in filter(None, limits.cpuset.split(",")):
        first, _, last = part.partition("-")
        if last and int(last) < int(first):
            yield Problem(("limits", "cpuset"), f"{quoted(part)} ends before it begins")


def _above(target: str, directories: tuple[str, ...]) -> str:
    """Return which of the directories is `target` or holds it, or an empty text."""
    return next((name for name in directories if target == name or target.startswith(f"{name}/")), "")
