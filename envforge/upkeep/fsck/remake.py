"""Makes again what generations need and the store lacks: by the builder, from each generation's own lock.

Nothing new is taken: the lock names every archive by SHA-256, and a layer counts only under its old digest.
"""

import os
from collections.abc import Collection, Iterator, Sequence

from attrs import frozen

from envforge import config, machine, trust
from envforge.build.built import Built
from envforge.build.site import ProjectFiles, Site
from envforge.environment.made import assemble, model, outputs
from envforge.environment.made.model import Environment, LayerReference
from envforge.environment.projects import generations
from envforge.environment.projects.generations import Generation, History
from envforge.errors import EnvforgeError, StoreError
from envforge.lock import file as lock_file
from envforge.lock.model import Lock, Part, part_of
from envforge.progress import Progress
from envforge.sandbox.ids.identity import Identity
from envforge.spec import parse as spec_parse
from envforge.spec.names import label
from envforge.store import blobs, holds, layers, records
from envforge.store.layout import Store
from envforge.upkeep.fsck import aside


@frozen
class Need:
    """A generation that something is missing for."""

    project: History
    generation: Generation

    @property
    def name(self) -> str:
        """Return what messages call it: `shop@3`."""
        return f"{label(self.project.name, self.project.variant)}@{self.generation.number}"


def needs(store: Store, held: str, lost: Collection[str]) -> Iterator[Need]:
    """Yield the generations that lack a layer, their description, or something that was `lost`, newest first.

    Asked for one after another: what is made for one, others may have needed too.
    """
    for project in _projects(store):
        for generation in reversed(project.generations):
            if _lacks(store, held, generation, lost):
                yield Need(project, generation)


def _projects(store: Store) -> Iterator[History]:
    for name in sorted(os.listdir(f"{store.path}/roots")):
        if name.endswith(".json"):
            try:
                document = records.read(f"{store.path}/roots/{name}")
                if document is not None:
                    yield generations.parse(f"{store.path}/roots/{name}", document)
            except StoreError:
                continue  # the check has told it


def _lacks(store: Store, held: str, generation: Generation, lost: Collection[str]) -> bool:
    try:
        environment = model.load(store, generation.environment)
    except EnvforgeError:
        return True
    for one in environment.layers:
        if not layers.exists(store, held, one.digest) or not os.path.exists(store.record(one.key)):
            return True
    if not all(blobs.has(store, sha256) for sha256 in (generation.spec, generation.lock)):
        return True
    trees = [sha256 for sha256 in lost if not os.path.isdir(f"{store.tree(held, sha256)}/root")]
    if not trees:
        return False
    try:
        text = blobs.read(store, generation.lock)
    except (EnvforgeError, OSError):
        return False
    return any(sha256.encode() in text for sha256 in trees)


def remake(store: Store, identity: Identity, need: Need, progress: Progress) -> str:
    """Make again what a generation lacks; return what stands in the way, nothing if all is there.

    Raises what fetching and building raise.
    """
    project, generation = need.project, need.generation
    lock_path = trust.lock_of(project.spec)
    for sha256, path in ((generation.spec, project.spec), (generation.lock, lock_path)):
        if not blobs.has(store, sha256) and not aside.restore_blob(store, sha256, path):
            return f"the blob {sha256[:12]} is gone, and {path} has other bytes by now"
    lock = lock_file.loads(blobs.read(store, generation.lock), f"the lock of {need.name}")
    part = part_of(lock, project.variant, machine.native())
    if part is None:
        return f"its lock has nothing for {machine.native()}"
    with holds.holding(store, assemble.held_names(part)) as hold:
        site = Site(
            store,
            identity,
            config.load(),
            ProjectFiles(os.path.dirname(project.spec)),
            project=project.name,
            hold=hold,
            recorded=outputs.follow_from_packages(lock, project.variant),
        )
        return _made_again(site, need, lock, part, progress)


def _made_again(site: Site, need: Need, lock: Lock, part: Part, progress: Progress) -> str:
    """Build the layers that are missing, and write the environment's description again."""
    store, digest = site.store, need.generation.environment
    made = assemble.build_locked(site, part, progress)
    specs = spec_parse.parse_all(blobs.read(store, need.generation.spec), need.project.spec)
    spec = specs[need.project.variant]
    wanted = _wanted(store, lock, need)
    if any(not layers.exists(store, site.held, one) for _, one in wanted):
        made = assemble.build_local(site, spec, made, progress)
    there = {one.digest for one in made}
    for name, one in wanted:
        if one not in there and not layers.exists(store, site.held, one):
            return f"layer {name} came out with another digest than {one[:12]}"
    environment = Environment(_references(made), model.runtime_part(spec), model.closure_key(part))
    if environment.digest == digest:
        model.save(store, environment)
    elif not os.path.exists(store.environment(digest)):
        return f"environment {digest[:12]} came out as {environment.digest[:12]}"
    return ""


def _wanted(store: Store, lock: Lock, need: Need) -> Sequence[tuple[str, str]]:
    """Return name and digest of each layer, by the environment's description, else by the lock's outputs."""
    try:
        environment = model.load(store, need.generation.environment)
        return [(one.name, one.digest) for one in environment.layers]
    except EnvforgeError:
        recorded = outputs.recorded(lock, need.project.variant)
        return recorded.layers if recorded is not None else ()


def _references(made: Sequence[Built]) -> tuple[LayerReference, ...]:
    return tuple(LayerReference(one.name, one.key, one.digest) for one in made)
