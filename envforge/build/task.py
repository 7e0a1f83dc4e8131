"""The interface between sources and the builder: works and their tasks. The builder knows no source."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import Enum
from typing import Any, Protocol

from attrs import frozen

from envforge.build import layer
from envforge.build.built import Built
from envforge.build.layer import Made
from envforge.build.recipe import Recipe
from envforge.build.site import Site
from envforge.build.workers import Done, Job
from envforge.progress import Progress


class Kind(Enum):
    """Which workers run a task: their views differ (`site.py`)."""

    FETCH = "fetch"
    """With the host's view: bytes from the network into blobs. All others are confined."""
    UNPACK = "unpack"
    """Reads blobs; as many at once as there are processors."""
    LINK = "link"
    """Links files of trees into a layer."""
    LINK_AND_RUN = "link and run"
    """Likewise, and runs programs of a package over layers."""
    RUN = "run"
    """Runs scripts over layers, one task at a time; what they print is logged."""
    PLACE = "place"
    """Writes files over layers."""


class Reader(Protocol):
    """Parses the output of scripts, and reports what they do."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes. They are untrusted: reports of them have no control characters."""

    def end(self, *, well: bool) -> None:
        """Take note that the output has ended; `well` says that nothing failed."""


@frozen
class Task:
    """A job for a worker. What `publish` makes of its result goes back to the work that asked for it."""

    tag: Hashable
    """Identifies the task within its work."""
    kind: Kind
    job: Job
    arguments: tuple[object, ...]
    publish: Callable[[Done], Any] = lambda done: done.value
    """Called in the parent: takes over what the job left in its directory, trusting nothing of it."""
    lock: str = ""
    """Name of a lock in the store: of several builds that need the task, its holder does it."""
    find: Callable[[], Any] = lambda: None
    """Returns the result if another build has made it meanwhile, else None."""
    take: Callable[[Progress], Any] = lambda _progress: None
    """Returns the result if the cache has it, else None. Called with `lock` held."""
    reader: Reader | None = None
    """Reads the output of the task's scripts."""


class Work(Protocol):
    """One source's part of an environment: decides which tasks are needed; `builder.py` runs them."""

    def begin(self) -> Iterable[Task]:
        """Yield the tasks that can start at once, the most urgent first."""

    def over(self, below: Sequence[Built]) -> Iterable[Task]:
        """Yield the tasks that can start now that all layers below (top to bottom) are made. Called once."""

    def done(self, tag: Hashable, value: Any) -> Iterable[Task]:
        """Take a task's result; yield the tasks that can start now."""

    def layers(self) -> tuple[Made, ...] | None:
        """Return this part's layers, top to bottom, once all are made."""


def layer_task(
    site: Site,
    recipe: Recipe,
    kind: Kind,
    job: Job,
    arguments: tuple[object, ...],
    *,
    reader: Reader | None = None,
) -> Task:
    """Return the task of making a recipe's layer: its tag is `("made", key)`, its result a `Made`.

    The job stages the layer at `layer` in its own directory, and returns what `layers.stage` does, with
    `notes`.
    """
    return Task(
        ("made", recipe.key),
        kind,
        job,
        arguments,
        publish=lambda done: layer.publish(site, recipe, done.directory, f"/{done.name}/layer", done.value),
        lock=layer.lock_name(site, recipe),
        find=lambda: None if site.anew else layer.find(site, recipe),
        take=lambda progress: _taken(site, recipe, kind, progress),
        reader=reader,
    )


def _taken(site: Site, recipe: Recipe, kind: Kind, progress: Progress) -> Made | None:
    """Return a layer of scripts from the cache, None if it has none: others are made as quickly here."""
    if site.cache is None or site.anew or kind is not Kind.RUN:
        return None
    from envforge.build.cache import transfer  # noqa: PLC0415 - only where there is one

    taken = transfer.take_one(site, recipe, progress)
    return layer.find(site, recipe, taken=True) if taken else None
