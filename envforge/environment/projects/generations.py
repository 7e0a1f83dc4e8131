"""A project's generations: the environments that it has had. They are the roots that keep layers alive.

Each names, by SHA-256, the spec and the lock that it was built from: both are blobs, so that a rollback can
restore them.
"""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from envforge.digest import sha256_of
from envforge.errors import NotFoundError, StoreError
from envforge.spec.names import DEFAULT
from envforge.store import locks, records
from envforge.store.layout import Store
from envforge.values import by_field, evolve, frozen

_HINT: Final = "`envforge history` lists the generations"


@frozen
class Generation:
    """One environment that a project had."""

    number: int
    environment: str
    """Digest."""
    created: int
    """Seconds since 1970."""
    spec: str
    """SHA-256 of the spec's bytes when it was last built: a blob."""
    lock: str
    """SHA-256 of the lock's bytes, outputs included: a blob."""
    reason: str = ""
    """Why there is a new one, in words: `jq added`, `rollback to 2`."""


@frozen
class History:
    """The generations of one of a project's environments, as the store has them."""

    spec: str
    """Real path of its spec: what identifies it."""
    name: str
    generations: tuple[Generation, ...]
    variant: str = DEFAULT
    """The spec's environment that these generations are of."""

    @property
    def current(self) -> Generation:
        """Return the newest generation."""
        return self.generations[-1]


@frozen
class Change:
    """What becomes of one file."""

    path: str
    before: bytes
    after: bytes


@frozen
class Plan:
    """What going back would do."""

    target: Generation
    changes: tuple[Change, ...]
    """Of spec and lock, where they differ from the generation's."""
    edits: tuple[Change, ...]
    """What was edited in them since they were built: no generation has it."""


def project_id(spec_path: str) -> str:
    """Return the identifier of a project: a hash of the real path of its spec."""
    return _id(os.path.realpath(spec_path))


def _root_id(spec_path: str, variant: str) -> str:
    """Return the identifier of the root of one of a project's environments."""
    path = os.path.realpath(spec_path)
    return _id(path if variant == DEFAULT else f"{path}\0{variant}")


def _id(text: str) -> str:
    return sha256_of(os.fsencode(text))[:32]


def is_noted(
    store: Store,
    spec_path: str,
    name: str,
    environment: str,
    *,
    spec: bytes,
    lock: bytes,
    variant: str = DEFAULT,
) -> bool:
    """Return whether the project's newest generation records exactly this already, and its blobs exist."""
    from envforge.store import blobs  # noqa: PLC0415 (looking at generations needs none)

    project = find(store, spec_path, variant)
    if project is None or project.name != name:
        return False
    current = project.current
    sums = (sha256_of(spec), sha256_of(lock))
    same = (current.environment, current.spec, current.lock) == (environment, *sums)
    return same and all(blobs.has(store, sha256) for sha256 in sums)


def note(
    store: Store,
    spec_path: str,
    name: str,
    environment: str,
    *,
    spec: bytes,
    lock: bytes,
    variant: str = DEFAULT,
    reason: Callable[[Generation | None], str] = lambda _before: "",
    always: bool = False,
) -> Generation:
    """Record `environment` as the project's newest generation; return it.

    Where it is the newest already, that generation gets the new spec and lock: edits since then have left the
    environment as it was. With `always` there is a new generation all the same. `reason` is asked for a new
    one's reason, given the one before.
    """
    from envforge.store import blobs, holds  # noqa: PLC0415 (as above)

    identifier = _root_id(spec_path, variant)
    path = _path(store, identifier)
    sums = sha256_of(spec), sha256_of(lock)
    with holds.holding(store, sums), locks.holding(store, f"root-{identifier}"):
        for data in (spec, lock):
            blobs.put(store, data, durable=True)
        before = parse(path, records.read(path) or {"spec": "", "name": "", "generations": []})
        kept, last = before.generations, before.generations[-1] if before.generations else None
        same = last is not None and last.environment == environment and before.name == name
        if last is not None and same and not always:
            generation = evolve(last, spec=sums[0], lock=sums[1])
            kept = kept[:-1]
        else:
            number = last.number + 1 if last is not None else 1
            generation = Generation(number, environment, int(time.time()), *sums, reason(last))
        if generation != last:
            document = {
                "spec": os.path.realpath(spec_path),
                "name": name,
                "variant": variant,
                "generations": [by_field(one) for one in (*kept, generation)],
            }
            records.write(store, path, document)
        return generation


def find(store: Store, spec_path: str, variant: str = DEFAULT) -> History | None:
    """Return the project of that spec, None where that environment of it was never built here."""
    root = path(store, spec_path, variant)
    document = records.read(root)
    return parse(root, document) if document else None


def known(store: Store, spec_path: str, variant: str) -> History:
    """Return the generations of one of a project's environments. Raises NotFoundError."""
    found = find(store, spec_path, variant)
    if found is None:
        what = spec_path if variant == DEFAULT else f"the environment {variant!r} of {spec_path}"
        raise NotFoundError(f"{what} was never built with this store", hint="envforge build")
    return found


def choose(project: History, number: int | None) -> Generation:
    """Return the generation of a number, by default the one before the current one; below 0 counts back.

    Raises NotFoundError.
    """
    there = {one.number: one for one in project.generations}
    if number is None:
        number = -1
    if number < 0 and len(project.generations) > -number:
        return project.generations[number - 1]
    if number in there:
        return there[number]
    if len(there) == 1:
        raise NotFoundError(f"{project.spec} has one generation only: {project.current.number}", hint=_HINT)
    span = f"{min(there)} to {max(there)}"
    raise NotFoundError(f"{project.spec} has no generation {number}; it has {span}", hint=_HINT)


def projects(store: Store) -> Iterator[History]:
    """Yield every project that has a root in the store."""
    for name, document in records.read_all(f"{store.path}/roots"):
        yield parse(_path(store, name), document)


def naming(store: Store, text: str) -> Iterator[History]:
    """Yield the projects in whose record `text` stands as it is: a digest, a name in double quotes.

    Parsing all records of a thousand projects takes longer than a command may.
    """
    wanted = text.encode()
    for name in sorted(os.listdir(f"{store.path}/roots")):
        identifier = name.removesuffix(".json")
        if name != identifier and wanted in _bytes_of(f"{store.path}/roots/{name}"):
            document = records.read(_path(store, identifier))
            if document is not None:
                yield parse(_path(store, identifier), document)


def _bytes_of(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def path(store: Store, spec_path: str, variant: str = DEFAULT) -> str:
    """Return the path of the file that records the generations of one of a spec's environments."""
    return _path(store, _root_id(spec_path, variant))


def recorded_path(store: Store, spec: str, variant: str) -> str:
    """Return the path of the same file, by the spec's path as the store has it: it may be gone, or moved."""
    return _path(store, _id(spec if variant == DEFAULT else f"{spec}\0{variant}"))


def _path(store: Store, identifier: str) -> str:
    return f"{store.path}/roots/{identifier}.json"


def parse(path: str, document: dict[str, Any]) -> History:
    """Return the generations in a document that was read from `path`. Raises StoreError if it is damaged."""
    try:
        generations = tuple(
            Generation(
                one["number"],
                one["environment"],
                one["created"],
                one["spec"],
                one["lock"],
                one.get("reason", ""),
            )
            for one in document["generations"]
        )
        return History(document["spec"], document["name"], generations, document.get("variant", DEFAULT))
    except (KeyError, TypeError) as error:
        raise StoreError(f"{path} is damaged", hint=f"rm {path}, and build again") from error
