"""Finds what a word names: a generation, an environment, a lock, a directory.

What is tried, in this order; the first kind that knows the word wins, and within a kind a word that means
several things is an error which lists them:

    @3  @-1  @        a generation of this project by number, counted back, the current one
    3                 likewise, where the project has that generation
    sha256:…          the digest of an environment, or its beginning
    ./x  /x  ~/x      a path: of a project's directory, a spec, a lock, or any directory
    db                another environment of this project, as for -E
    shop  shop:db     the environment of another project, as `ls` names it; shop@3 one of its generations
    b1a2c3            six or more digits of an environment's digest
    web-1             a container by its name, its ID or as a service of this project; a sandbox that runs
    HEAD~3            this project's lock at a revision of Git; REVISION:PATH is any lock
    x                 a path again
"""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Final

from envforge.compare import locks_of, targets
from envforge.compare.targets import Here, Target
from envforge.environment.projects import generations
from envforge.errors import AmbiguousError, NotFoundError
from envforge.spec.names import DEFAULT, label
from envforge.units import printable

_NUMBER: Final = re.compile(r"@|@?-?[0-9]{1,9}|@-[0-9]{1,9}")
_DIGITS: Final = re.compile(r"[0-9a-f]{6,64}")
_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}(?::[a-z0-9][a-z0-9-]{0,62})?")
_OTHER: Final = re.compile(rf"({_LABEL.pattern})(?:@([0-9]{{1,9}}))?")
_PREFIX: Final = "sha256:"
_HINT: Final = "`envforge diff --help` shows what can be named; `envforge ls` lists environments"


def resolve(here: Here, word: str) -> Target:
    """Return what a word names. Raises NotFoundError, AmbiguousError with the candidates, LockError."""
    for way in (
        _numbered,
        _named_digest,
        _named_path,
        _sibling,
        _labelled,
        _prefix,
        _inside,
        _revision,
        _path,
    ):
        found = way(here, word)
        if found is not None:
            return found
    raise NotFoundError(f"nothing is called {word!r} here", hint=_HINT)


def _numbered(here: Here, word: str) -> Target | None:
    if not _NUMBER.fullmatch(word):
        return None
    digits = word.removeprefix("@")
    if not digits:
        return targets.current(here)
    if digits.startswith("-"):
        return targets.counted_back(here, -int(digits))
    project = targets.own(here)
    numbers = [one.number for one in project.generations] if project else []
    if int(digits) not in numbers and not word.startswith("@") and len(digits) >= 6:
        return None  # the beginning of a digest
    return targets.numbered(here, project, digits)


def _named_digest(here: Here, word: str) -> Target | None:
    if not word.startswith(_PREFIX):
        return None
    found = _by_digest(here, word.removeprefix(_PREFIX))
    if found is None:
        raise NotFoundError(f"the store has no environment {word}", hint=_HINT)
    return found


def _prefix(here: Here, word: str) -> Target | None:
    return _by_digest(here, word) if _DIGITS.fullmatch(word) else None


def _by_digest(here: Here, digits: str) -> Target | None:
    if here.store is None or not re.fullmatch(r"[0-9a-f]{1,64}", digits):
        return None
    names = sorted(os.listdir(f"{here.store.path}/environments"))
    found = [one[: -len(".json")] for one in names if one.startswith(digits) and one.endswith(".json")]
    if len(found) > 1:
        raise _ambiguous(f"{digits} begins the digests of {len(found)} environments", found)
    return targets.of_environment(here, found[0]) if found else None


def _sibling(here: Here, word: str) -> Target | None:
    if here.store is None or not here.spec_path or not _LABEL.fullmatch(word):
        return None
    project = generations.find(here.store, here.spec_path, word)
    return _newest(here, project) if project else None


def _labelled(here: Here, word: str) -> Target | None:
    said = _OTHER.fullmatch(word)
    if here.store is None or said is None:
        return None
    name, _, variant = said[1].partition(":")
    found = [
        project
        for project in generations.naming(here.store, f'"{name}"')
        if label(project.name, project.variant) == label(name, variant or DEFAULT)
    ]
    if len(found) > 1:
        own = [project for project in found if project.spec == here.spec_path]
        if not own:
            raise _ambiguous(f"{len(found)} projects are called {word}", [one.spec for one in found])
        found = own
    if not found:
        return None
    return targets.numbered(here, found[0], said[2]) if said[2] else _newest(here, found[0])


def _newest(here: Here, project: generations.History) -> Target:
    return targets.of_generation(here, project, project.current)


def _inside(here: Here, word: str) -> Target | None:
    from envforge.compare.inside import named  # noqa: PLC0415 - seldom meant

    return named.find(here, word)


def _revision(here: Here, word: str) -> Target | None:
    lock = locks_of.revision(here.spec_path, here.directory, word)
    return targets.of_lock(here, lock, f"the lock at {word}") if lock is not None else None


def _named_path(here: Here, word: str) -> Target | None:
    if word.startswith(("/", "./", "../", "~/")) or word in {".", "..", "~"}:
        found = _path(here, word)
        if found is None:
            raise NotFoundError(f"{word} does not exist", hint=_HINT)
        return found
    return None


def _path(here: Here, word: str) -> Target | None:
    path = os.path.realpath(os.path.join(here.directory, os.path.expanduser(word)))
    if os.path.isdir(path):
        spec = locks_of.spec_in(path)
        return targets.project_at(here, spec) if spec else Target(f"the directory {path}", directory=path)
    if not os.path.isfile(path):
        return None
    if path.endswith(".lock"):
        lock = locks_of.at(path)
        return targets.of_lock(here, lock, f"the lock {path}")
    return targets.project_at(here, path)


def _ambiguous(message: str, candidates: Sequence[str], shown: int = 8) -> AmbiguousError:
    lines = [f"  {printable(one)}" for one in candidates[:shown]]
    if len(candidates) > shown:
        lines.append(f"  … and {len(candidates) - shown} more")
    return AmbiguousError("\n".join([f"{message}:", *lines]), hint="write more of it, or its path")


def words(here: Here) -> Iterator[tuple[str, str]]:
    """Yield words that name something, each with what that is: for completion."""
    project = targets.own(here)
    for generation in reversed(project.generations if project else ()):
        yield f"@{generation.number}", f"{generation.environment[:12]}"
    if here.store is not None:
        for one in generations.projects(here.store):
            yield label(one.name, one.variant), one.spec
        from envforge.compare.inside import named  # noqa: PLC0415 - only to list them

        yield from named.words(here)
