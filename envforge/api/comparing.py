"""`diff`, `why`, `why-rebuilt` and `owns`: compare environments, and tell where things in one come from."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

from envforge.compare import locks_of, targets
from envforge.compare.targets import Here, Target
from envforge.environment.projects.location import Location
from envforge.errors import NotFoundError, UsageError
from envforge.store import locks

if TYPE_CHECKING:
    from envforge.compare.model import LEVELS, Comparison, Content, FileChange, Level, PackageChange
    from envforge.compare.owning import Owned as Owned  # noqa: PLC0414 - for annotations of callers
    from envforge.compare.rebuilt import Rebuilt
    from envforge.compare.views import plain
    from envforge.compare.views.text import lines, stat, summary
    from envforge.compare.why import CHAINS_MAX, Why, reasons
    from envforge.sources.interface import Package

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

_PLACES: Final = {
    "envforge.compare.model": ("LEVELS", "Comparison", "Content", "FileChange", "Level", "PackageChange"),
    "envforge.compare.views.text": ("lines", "stat", "summary"),
    "envforge.compare.why": ("CHAINS_MAX", "Why", "reasons"),
}


def __getattr__(name: str) -> object:
    """Load what a caller asks for: `why` needs nothing of `diff`, nor the other way round (PEP 562)."""
    if name == "plain":
        return import_module("envforge.compare.views.plain")
    for place, names in _PLACES.items():
        if name in names:
            return getattr(import_module(place), name)
    raise AttributeError(name)


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
    if word is None:
        return otherwise(place)
    from envforge.compare import words as naming  # noqa: PLC0415 - only where something is named

    return naming.resolve(place, word)


def compare(
    place: Here,
    a: str | None,
    b: str | None,
    level: "Level | None" = "package",
    *,
    times: bool = False,
    every: bool = False,
) -> "Comparison":
    """Compare what two words name: by default the generation before the current one, and the current one.

    The name of a container alone compares its environment with it. Without a level that is as deep as
    contents, else packages only. `times` adds files of which only the time differs, `every` the contents of
    packages that are new or gone.

    Raises NotFoundError, AmbiguousError, LockError, StoreError, SandboxError.
    """
    from envforge.compare import differences  # noqa: PLC0415 - `why` needs none of it

    before = resolve(place, a, targets.before)
    alone = b is None and before.inside is not None
    after = before if alone else resolve(place, b)
    if alone:
        before = targets.beneath(place, after)
    level = level or ("content" if alone else "package")
    return differences.compare(place, before, after, level, times=times, every=every)


def save_html(found: "Comparison", path: str) -> None:
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


def why(place: Here, name: str, word: str | None = None) -> "tuple[Why, ...]":
    """Return why a package is in an environment, by its lock. Raises NotFoundError."""
    from envforge.compare import why as whys  # noqa: PLC0415 - `diff` needs none of it

    target = resolve(place, word)
    packages = _packages_of(target)
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
    from envforge.compare import words as naming  # noqa: PLC0415 - as above

    return naming.words(place)


def package_names(place: Here) -> Sequence[str]:
    """Return the names of the current environment's packages: for completion."""
    return [package.name for package in _packages_of(targets.current(place)) or ()]


def _packages_of(target: Target) -> "tuple[Package, ...] | None":
    if target.directory:
        from envforge.compare import differences  # noqa: PLC0415 - seldom, and it loads all of `diff`

        return differences.packages_of(target)
    return None if target.lock is None else locks_of.packages(target.lock(), target.name)
