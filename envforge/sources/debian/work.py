"""Plans the tasks of an environment's Debian layers, package by package and layer by layer.

fetch       missing archives, those of the base first
unpack      each archive as soon as it is fetched; write-back to disk begins with the first farm
farm        the base's as soon as its packages are unpacked, the others beside configuring
configure   the base over its farm while other packages are still unpacked, then the rest over the base
database    over all of them
"""

from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from typing import Any

from attrs import define, field

from envforge.build import layer
from envforge.build.built import Built
from envforge.build.layer import Made
from envforge.build.site import Site
from envforge.build.task import Kind, Task, layer_task
from envforge.build.workers import Done
from envforge.progress import Progress
from envforge.sources.debian.dpkg.facts import Facts
from envforge.sources.debian.layers import decoder, obtain
from envforge.sources.debian.layers.narration import Narration
from envforge.sources.debian.model import Closure
from envforge.sources.debian.state import Possible, State, state_of
from envforge.store.layout import Store


@define
class DebianWork:
    """A `build.task.Work`: the lowest one, so no layer lies below its own."""

    site: Site
    closure: Closure
    progress: Progress
    state: State = field(init=False)
    narration: Narration = field(init=False)
    _asked: set[str] = field(factory=set, init=False)
    """Keys of layers that a task was yielded for."""

    def __attrs_post_init__(self) -> None:
        self.state = state_of(self.closure)
        self.narration = Narration(self.progress)

    @property
    def _store(self) -> Store:
        return self.site.store

    def begin(self) -> Iterator[Task]:
        """Yield the tasks that fetch and unpack missing packages: the base first, large packages first."""
        state = self.state
        for name in state.packages:
            facts = self._known(name)
            if facts is not None:
                state.facts[name] = facts
        missing = sorted(
            state.packages.keys() - state.facts.keys(),
            key=lambda name: (name not in state.base_ids, -state.packages[name].size, name),
        )
        unfetched = {name for name in missing if not obtain.has_blob(self._store, state.packages[name])}
        if missing:
            total = sum(state.packages[name].size for name in unfetched)
            self.progress.stage("fetching and unpacking", total_bytes=total or None, total_items=len(missing))
        if unfetched and decoder.is_missing(self._store, self.closure.architecture):
            arguments = (self._store, self.site.config, self.closure.architecture)
            yield Task("decoder", Kind.FETCH, decoder.fetch, arguments)
        yield from (self._fetch(name) if name in unfetched else self._unpack(name) for name in missing)

    def over(self, below: Sequence[Built]) -> Iterator[Task]:
        """Yield tasks for the layers that can be made already; nothing lies below Debian's."""
        assert not below
        return self._layers()

    def done(self, tag: Hashable, value: Any) -> Iterator[Task]:
        """Take a task's result; yield the tasks that it makes possible."""
        match tag:
            case "decoder":
                if value:
                    publish = partial(_publish_decoder, self._store)
                    yield Task(
                        "decoder tree", Kind.UNPACK, decoder.unpack, (self._store, value), publish=publish
                    )
            case ("fetched", name):
                yield self._unpack(str(name))
            case ("unpacked", name):
                self._unpacked(str(name), value)
                yield from self._layers()
            case ("made", str(key)):
                self.state.made[key] = value
                if not value.reused:
                    yield from self._tell(value)
                yield from self._layers()

    def layers(self) -> tuple[Made, ...] | None:
        """Return the layers, top to bottom, once all are made."""
        return self.state.layers()

    def _known(self, name: str) -> Facts | None:
        """Return the facts of a package that need not be unpacked, None if it must be."""
        if self.site.anew:
            return None
        return obtain.known_facts(self._store, self.site.held, self.state.packages[name])

    def _fetch(self, name: str) -> Task:
        package = self.state.packages[name]
        archive = next(archive for archive in self.closure.archives if archive.name == package.archive)
        arguments = (self._store, self.site.config, archive, package, name)
        return Task(("fetched", name), Kind.FETCH, obtain.fetch, arguments)

    def _unpack(self, name: str) -> Task:
        site, package = self.site, self.state.packages[name]

        def publish(done: Done) -> Facts:
            same = done.value is True
            place = f"/{done.name}"
            return obtain.publish(site.store, site.held, package, done.directory, place, same=same)

        return Task(
            ("unpacked", name),
            Kind.UNPACK,
            obtain.unpack_tree,
            (site.store, site.held, package),
            publish=publish,
            lock=f"{site.held}-{package.sha256}",
            find=lambda: self._known(name),
        )

    def _unpacked(self, name: str, facts: Facts) -> None:
        state = self.state
        state.facts[name] = facts
        self.progress.item(name)

    def _layers(self) -> Iterator[Task]:
        """Yield tasks for the layers that can be made now.

        Layers in the store are taken first: a configured layer that was found needs no farm of its own.
        """
        if not self.site.anew:
            for recipe in self.state.recipes():
                if recipe.key not in self._asked and recipe.key not in self.state.made:
                    made = layer.find(self.site, recipe)
                    if made is not None:
                        self.state.made[recipe.key] = made
        if not self.narration.is_staged and (unconfigured := self.state.unconfigured()) is not None:
            self.narration.begin_stage(unconfigured)
        for possible in self.state.possible():
            if possible.recipe.key not in self._asked:
                self._asked.add(possible.recipe.key)
                yield self._make(possible)

    def _make(self, possible: Possible) -> Task:
        reader = self.narration if possible.kind is Kind.RUN else None
        arguments = (self.site, *possible.arguments)
        return layer_task(self.site, possible.recipe, possible.kind, possible.job, arguments, reader=reader)

    def _tell(self, made: Made) -> Iterator[Task]:
        """Report a layer; after a farm, have unpacked trees written to disk while packages are configured."""
        self.progress.message(f"{made.recipe.name}: {made.layer.files} files")
        if made.recipe.name == "farm" and self.state.layers() is None:
            yield Task(("written", made.recipe.key), Kind.FETCH, obtain.write_out, (self._store,))


def _publish_decoder(store: Store, done: Done) -> None:
    decoder.publish(store, done.directory, f"/{done.name}/tree", done.value)
