"""`diff`, `why`, `why-rebuilt` and `owns`: compare environments, and tell where things in one come from."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from envforge.compare import differences, targets
from envforge.compare import why as whys
from envforge.compare import words as naming
from envforge.compare.model import LEVELS, Comparison, Content, FileChange, Level, PackageChange
from envforge.compare.targets import Here, Target
from envforge.compare.views import plain, text
from envforge.compare.why import CHAINS_MAX, Why
from envforge.environment.projects.location import Location
from envforge.errors import NotFoundError, UsageError
from envforge.store import locks

if TYPE_CHECKING:
    from envforge.compare.owning import Owned as Owned  # noqa: PLC0414 - for annotations of callers
    from envforge.compare.rebuilt import Rebuilt

__all__ = [
    "CHAINS_MAX",
    "LEVELS",
    "Comparison",
    "Content",
    "FileChange",
    "Here",
    "Level",
    "PackageChange",
    "Target",
    "Why",
    "compare",
    "here",
    "lines",
    "owns",
    "package_names",
    "plain",
    "reasons",
    "resolve",
    "save_html",
    "stat",
    "summary",
    "why",
    "why_rebuilt",
    "words",
]

lines = text.lines
reasons = whys.reasons
stat = text.stat
summary = text.summary


@contextmanager
def here(location: Location | None, store_path: str) -> Iterator[Here]:
    """Yield where words are resolved: in a project, or outside of any; the store is held meanwhile."""
    with locks.reading(store_path) as store:
        if location is None:
            yield Here(store, directory=os.getcwd())
        else:
            yield Here(store, location.spec_path, location.environment, os.getcwd())


def resolve(place: Here, word: str | None, otherwise: Callable[[Here], Target] = targets.current) -> Target:
    """Return what a word names, for None what `otherwise` gives. Raises NotFoundError, AmbiguousError."""
    return otherwise(place) if word is None else naming.resolve(place, word)


def compare(
    place: Here,
    a: str | None,
    b: str | None,
    level: Level = "package",
    *,
    times: bool = False,
    every: bool = False,
) -> Comparison:
    """Compare what two words name: by default the generation before the current one, and the current one.

    `times` adds files of which only the time differs, `every` the contents of packages that are new or gone.

    Raises NotFoundError, AmbiguousError, LockError, StoreError, SandboxError.
    """
    before, after = resolve(place, a, targets.before), resolve(place, b)
    return differences.compare(place, before, after, level, times=times, every=every)


def save_html(found: Comparison, path: str) -> None:
    """Write a comparison as one HTML file that loads nothing, in place of one that is there.

    Raises UsageError where that cannot be written.
    """
    from envforge.compare.views import html as page  # noqa: PLC0415 - seldom wanted

    text = page.page(found)
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", hint="name another file with --html"
        ) from error


def why(place: Here, name: str, word: str | None = None) -> tuple[Why, ...]:
    """Return why a package is in an environment, by its lock. Raises NotFoundError."""
    target = resolve(place, word)
    packages = differences.packages_of(target)
    if packages is None:
        raise NotFoundError(f"no lock is known of {target.title}", hint="`envforge ls` lists environments")
    return whys.reasons(packages, name)


def why_rebuilt(place: Here, layer: str | None = None, word: str | None = None) -> "tuple[Rebuilt, ...]":
    """Return why layers of the current generation are not those of an earlier one, by default the last.

    Raises NotFoundError for a layer that neither has.
    """
    from envforge.compare import rebuilding  # noqa: PLC0415 - seldom wanted

    return rebuilding.reasons(place, resolve(place, word, targets.before), targets.current(place), layer)


def owns(place: Here, path: str, word: str | None = None) -> "Owned":
    """Return which package, layer and source a path inside comes from. Raises NotFoundError."""
    from envforge.compare import owning  # noqa: PLC0415 - reads listings

    return owning.owns(place, resolve(place, word), path)


def words(place: Here) -> Iterator[tuple[str, str]]:
    """Yield what can be named, each with what it is: for completion."""
    return naming.words(place)


def package_names(place: Here) -> Sequence[str]:
    """Return the names of the current environment's packages: for completion."""
    return [package.name for package in differences.packages_of(targets.current(place)) or ()]
