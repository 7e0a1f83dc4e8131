"""Which environments a project has had: its generations. They are the roots that keep layers alive."""

import hashlib
import os
import time
from collections.abc import Iterator
from typing import Any

from attrs import frozen

from envforge.store import locks, records
from envforge.store.layout import Store


@frozen
class Generation:
    """One environment that a project had."""

    number: int
    environment: str
    """Digest."""
    created: int
    """Seconds since 1970."""


@frozen
class Project:
    """A project that has been built with this store."""

    spec: str
    """Real path of its spec: what identifies it."""
    name: str
    generations: tuple[Generation, ...]

    @property
    def current(self) -> Generation:
        """Return the newest generation."""
        return self.generations[-1]


def project_id(spec_path: str) -> str:
    """Return the name of a project's root, from the real path of its spec."""
    return hashlib.sha256(os.fsencode(os.path.realpath(spec_path))).hexdigest()[:32]


def note(store: Store, spec_path: str, name: str, environment: str) -> Generation:
    """Make `environment` the project's newest generation, unless it is that already; return it."""
    identifier = project_id(spec_path)
    path = _path(store, identifier)
    with locks.holding(store, f"root-{identifier}"):
        project = _parse(records.read(path) or {"spec": "", "name": "", "generations": []})
        if project.generations and project.current.environment == environment and project.name == name:
            return project.current
        last = project.generations[-1].number if project.generations else 0
        generation = Generation(last + 1, environment, int(time.time()))
        records.write(
            store,
            path,
            {
                "spec": os.path.realpath(spec_path),
                "name": name,
                "generations": [_document(one) for one in (*project.generations, generation)],
            },
        )
        return generation


def find(store: Store, spec_path: str) -> Project | None:
    """Return the project of that spec, None where it was never built here."""
    document = records.read(_path(store, project_id(spec_path)))
    return _parse(document) if document else None


def projects(store: Store) -> Iterator[Project]:
    """Yield every project that has a root in the store."""
    for _, document in records.read_all(f"{store.path}/roots"):
        yield _parse(document)


def path(store: Store, spec_path: str) -> str:
    """Return where the generations of the project of that spec stand."""
    return _path(store, project_id(spec_path))


def _path(store: Store, identifier: str) -> str:
    return f"{store.path}/roots/{identifier}.json"


def _parse(document: dict[str, Any]) -> Project:
    generations = tuple(
        Generation(one["number"], one["environment"], one["created"]) for one in document["generations"]
    )
    return Project(document["spec"], document["name"], generations)


def _document(generation: Generation) -> dict[str, Any]:
    return {
        "number": generation.number,
        "environment": generation.environment,
        "created": generation.created,
    }
