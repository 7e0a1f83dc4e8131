"""Reads locks for comparing: of generations, of files, of revisions of Git. Writes none.

Code in a sandbox can write a project's `.git/config`, so Git is asked for one object only, by plumbing that
runs no hook, no filter, no file system monitor, and no transport to fetch what is missing.
"""

import os
import re
from typing import Final

from envforge import machine, trust
from envforge.errors import LockError, NotFoundError
from envforge.lock import file as lock_file
from envforge.lock.model import Lock, Outputs, part_of
from envforge.sources import registry
from envforge.sources.interface import Package
from envforge.store import blobs
from envforge.store.layout import Store

_LOCK_MAX_BYTES: Final = 64 << 20
_REVISION: Final = r"[A-Za-z0-9_@^~{}./+-]{1,200}"
_GIT: Final = (
    "--no-pager",
    "--no-replace-objects",
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "protocol.allow=never",
)  # fmt: skip
_QUIET: Final = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C.UTF-8",
}
_GIT_TIMEOUT_S: Final = 30


def blob(store: Store, sha256: str, number: int) -> Lock:
    """Return the lock of a generation. Raises NotFoundError where the store lacks it, LockError."""
    try:
        data = blobs.read(store, sha256)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"the lock of generation {number} is gone from {store.path}", hint="envforge build"
        ) from error
    return lock_file.loads(data, f"the lock of generation {number}")


def at(path: str) -> Lock:
    """Return the lock of a file. Raises LockError."""
    try:
        return lock_file.read(path)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} does not exist", hint="envforge lock") from error


def outputs(lock: Lock, name: str) -> Outputs | None:
    """Return what a lock records of building one of its environments on this machine."""
    part = part_of(lock, name, machine.native())
    return part.outputs if part else None


def spec_in(directory: str) -> str:
    """Return the path of the spec that lies in a directory, empty where none does."""
    path = os.path.join(directory, trust.SPEC_NAME)
    return os.path.realpath(path) if os.path.isfile(path) else ""


def beside(spec: str) -> str:
    """Return the path of a spec's lock."""
    return trust.lock_of(spec)


def revision(spec_path: str, directory: str, word: str) -> Lock | None:
    """Return the lock at a revision of Git, or at REVISION:PATH; None where the word is none.

    Raises LockError for a revision that has no lock, or one that cannot be read.
    """
    name, colon, path = word.partition(":")
    if not re.fullmatch(_REVISION, name) or name.startswith("-"):
        return None
    place = os.path.dirname(spec_path) or directory
    if not _in_repository(place):
        return None
    if not colon:
        path = f"./{os.path.basename(beside(spec_path or trust.SPEC_NAME))}"
    if _git(place, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}") is None:
        return None
    data = _git(place, "cat-file", "blob", f"{name}:{path}")
    if data is None:
        raise LockError(f"the revision {name} has no {path}", hint="`git log -- envforge.lock` lists others")
    if len(data) > _LOCK_MAX_BYTES:
        raise LockError(f"{word} has {len(data)} bytes, which is no lock", hint="name a lock: REVISION:PATH")
    return lock_file.loads(data, word)


def _in_repository(directory: str) -> bool:
    while not os.path.lexists(f"{directory}/.git"):
        above = os.path.dirname(directory)
        if above == directory:
            return False
        directory = above
    return True


def _git(directory: str, *words: str) -> bytes | None:
    """Return what Git prints, None where it fails or is not installed."""
    from envforge.process import find_program, run  # noqa: PLC0415 - starting programs is seldom needed

    program = find_program("git")
    if program is None:
        return None
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = run(
        [program, *_GIT, *words], environment={**kept, **_QUIET}, cwd=directory, timeout_s=_GIT_TIMEOUT_S
    )
    return done.output if done.code == 0 else None


def packages(lock: Lock, environment: str) -> tuple[Package, ...]:
    """Return the packages that a lock pins for an environment on this machine."""
    part = part_of(lock, environment, machine.native())
    pinned = part.pinned if part else {}
    return tuple(one for name, pins in pinned.items() for one in registry.source(name).packages(pins))
