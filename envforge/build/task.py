"""What a source asks of the builder: tasks, and what becomes of them. The builder knows no source."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import Enum
from typing import Any, Protocol

from attrs import frozen

from envforge.build import layer
from envforge.build.layer import Built, Made
from envforge.build.recipe import Recipe
from envforge.build.site import Site
from envforge.build.workers import Done, Job
from envforge.progress import Progress


class Kind(Enum):
    """Which workers do a task: what they see differs (`site.py`)."""

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
    """Makes sense of what scripts print, and tells it."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes. They are foreign: what is told has no control characters."""

    def end(self, *, well: bool) -> None:
        """Take the end of it; `well` says that nothing failed."""


@frozen
class Task:
    """One thing to do. What it gives, `publish` makes of it, goes back to the work that asked for it."""

    tag: Hashable
    """Names it within its work."""
    kind: Kind
    job: Job
    arguments: tuple[object, ...]
    publish: Callable[[Done], Any] = lambda done: done.value
    """Called in the parent: takes over what the job left in its place, believing nothing."""
    lock: str = ""
    """A name in the store: of several builds that need the same, the one that holds it does it."""
    find: Callable[[], Any] = lambda: None
    """Looks whether another build has made it meanwhile; None where not."""
    take: Callable[[Progress], Any] = lambda _progress: None
    """Looks whether a cache has it; None where not. Called with its lock held."""
    reader: Reader | None = None
    """Of what its scripts print."""


class Work(Protocol):
    """What one source's part of an environment asks for. Decides; `builder.py` carries it out."""

    def begin(self) -> Iterable[Task]:
        """Yield what can be done at once, the most pressing first."""

    def over(self, below: Sequence[Built]) -> Iterable[Task]:
        """Yield what can be done now that all layers below are made; they are top to bottom. Called once."""

    def done(self, tag: Hashable, value: Any) -> Iterable[Task]:
        """Take what a task gave; yield what can be done now."""

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
    """Return the task of making a recipe's layer: its tag is `("made", key)`, and it gives a `Made`.

    The job stages the layer in `layer` of its place, and returns what `layers.stage` says, with `notes`.
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
    """Return what a cache has of a layer whose scripts would be run: links and files are made as quickly."""
    if site.cache is None or site.anew or kind is not Kind.RUN:
        return None
    from envforge.build.cache import transfer  # noqa: PLC0415 - only where there is one

    taken = transfer.take_one(site, recipe, progress)
    return layer.find(site, recipe, taken=True) if taken else None
