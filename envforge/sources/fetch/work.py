"""Plans the tasks of `[[fetch]]`: one layer for each entry, in the spec's order.

fetch     missing files, while the layers below are made
survey    once those are made: the real path of each target, and what its layer depends on below
unpack    independent entries side by side; an entry whose place overlaps that of an earlier one waits for its
          layer, and is surveyed again over it
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from attrs import define, field

from envforge.build.built import Built
from envforge.build.layer import Made, find
from envforge.build.recipe import Recipe, recipe
from envforge.build.site import Site
from envforge.build.task import Kind, Task, layer_task
from envforge.progress import Progress
from envforge.sources.fetch.below import overlap
from envforge.sources.fetch.bring import fetch
from envforge.sources.fetch.layer import stage, survey
from envforge.sources.fetch.model import Fetched
from envforge.store import blobs


@define
class _Item:
    """One entry on its way to a layer."""

    one: Fetched
    place: str = ""
    """Real path of its target over the layers below all entries; empty before the survey."""
    after: tuple[int, ...] = ()
    """Indexes of earlier entries whose places overlap its own."""
    recipe: Recipe | None = None
    asked: bool = False
    made: Made | None = None


@define
class FetchWork:
    """A `build.task.Work`."""

    site: Site
    fetched: tuple[Fetched, ...]
    progress: Progress
    _items: list[_Item] = field(init=False)
    _missing: set[str] = field(factory=set, init=False)
    """SHA-256 of files that are still to be fetched."""
    _below: tuple[Built, ...] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._items = [_Item(one) for one in self.fetched]

    def begin(self) -> Iterator[Task]:
        """Yield the tasks that fetch missing files, each content once."""
        site = self.site
        for one in self.fetched:
            sha256 = one.pin.sha256
            if sha256 not in self._missing and not blobs.has(site.store, sha256):
                self._missing.add(sha256)
                arguments = (site.store, site.config, site.files, one)
                yield Task(("fetched", sha256), Kind.FETCH, fetch, arguments)

    def over(self, below: Sequence[Built]) -> Iterator[Task]:
        """Yield the survey of the layers below."""
        self._below = tuple(below)
        yield Task("survey", Kind.PLACE, survey, (self.site, self.fetched, self._below))

    def done(self, tag: Hashable, value: Any) -> Iterator[Task]:
        """Take a task's result; yield the tasks that it makes possible."""
        match tag:
            case ("fetched", str(sha256)):
                self._missing.discard(sha256)
            case "survey":
                self._surveyed(value)
            case ("again", int(index)):
                self._set_recipe(index, value[0][1])
                self._items[index].asked = False
            case ("made", str(key)):
                for item in self._items:
                    if item.recipe is not None and item.recipe.key == key:
                        item.made = value
                if not value.reused:
                    self.progress.message(f"{value.recipe.name}: {value.layer.files} files")
        return self._possible()

    def layers(self) -> tuple[Made, ...] | None:
        """Return the layers, top to bottom, once all are made."""
        found = tuple(item.made for item in reversed(self._items) if item.made is not None)
        return found if len(found) == len(self._items) else None

    def _surveyed(self, value: Sequence[Sequence[str]]) -> None:
        for index, (item, (place, shape)) in enumerate(zip(self._items, value, strict=True)):
            item.place = bytes.fromhex(place).decode(errors="surrogateescape")
            before = self._items[:index]
            item.after = tuple(at for at, other in enumerate(before) if overlap(item.place, other.place))
            if not item.after:
                self._set_recipe(index, shape)

    def _set_recipe(self, index: int, shape: str) -> None:
        item = self._items[index]
        one = item.one
        made_of = {"mode": f"{one.mode:04o}"} if not one.unpack else {"strip": one.strip}
        item.recipe = recipe(
            f"fetch-{index + 1}", "fetch", file=one.pin.sha256, target=one.target, below=shape, **made_of
        )

    def _possible(self) -> Iterator[Task]:
        """Yield the tasks that can be done now; take layers that the store has."""
        for index, item in enumerate(self._items):
            if self._below is None or item.asked or not item.place:
                continue
            lower = [self._items[at].made for at in reversed(item.after)]
            if any(made is None for made in lower):
                continue
            below = (*(made.built for made in lower if made is not None), *self._below)
            if item.recipe is None:
                item.asked = True
                yield Task(("again", index), Kind.PLACE, survey, (self.site, (item.one,), below))
            elif found := self._found(item.recipe):
                item.asked, item.made = True, found
            elif item.one.pin.sha256 not in self._missing:
                item.asked = True
                yield layer_task(self.site, item.recipe, Kind.PLACE, stage, (self.site, item.one, below))

    def _found(self, wanted: Recipe) -> Made | None:
        return None if self.site.anew else find(self.site, wanted)
