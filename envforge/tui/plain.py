"""The facts of the screens as lines, one thing a line, nothing drawn: for screen readers and pipes."""

from collections.abc import Iterator, Sequence

from envforge.errors import EnvforgeError
from envforge.tui import looking
from envforge.tui.core import environments, layers, packages
from envforge.tui.core import store as space
from envforge.tui.core.commands import Subject
from envforge.tui.core.containers import rows as containers
from envforge.tui.core.containers.samples import Samples
from envforge.tui.core.grid import Cell, Column, Row
from envforge.tui.core.words import count, printable
from envforge.tui.watching import Watcher
from envforge.units import size_text


def lines(store: str, *, file: str | None = None, environment: str | None = None) -> Iterator[str]:
    """Yield what the screens show: the store's environments, then the project's layers and packages.

    Raises EnvforgeError for a store that cannot be read, or a project that was named and cannot be.
    """
    here = looking.here(file, store, environment)
    found = looking.environments(store)
    rows = environments.rows(found.infos, found.running, here=here, gone=found.gone)
    yield f"Environments: {count(len(rows), 'environment')} in {printable(store)}"
    yield from sentences(environments.COLUMNS, rows)
    if here is not None:
        known = {one.key: one for one in map(environments.subject_of, found.infos)}
        yield from _of_project(known.get(here.key, here), store)
    if rows:
        yield from _of_store(store)
    yield from _of_containers(store)


def _of_project(subject: Subject, store: str) -> Iterator[str]:
    yield ""
    yield f"Chosen: {subject.name}"
    try:
        details = looking.details(subject, store)
    except EnvforgeError as error:
        yield f"error: {error.message}"
        return
    yield from facts(environments.facts(None, details))
    yield ""
    yield f"Layers: {count(len(details.layers), 'layer')}, top to bottom"
    yield from sentences(layers.COLUMNS, layers.rows(details.layers))
    yield ""
    yield f"Packages: {packages.summary(details.packages, len(details.packages))}"
    yield from sentences(packages.COLUMNS, packages.rows(details.packages))


def _of_store(store: str) -> Iterator[str]:
    """Yield where the space is, and what keeps it."""
    yield ""
    try:
        usage, own = looking.space(store)
    except EnvforgeError as error:
        yield f"error: {error.message}"
        return
    free = size_text(usage.garbage.size_bytes)
    yield f"Store: {size_text(usage.total.size_bytes)}, of which nothing keeps {free}"
    yield from sentences(space.KIND_COLUMNS, space.kind_rows(space.kinds(usage)))
    yield ""
    yield f"Kept by {count(len(usage.marked.roots), 'root')}"
    rows = space.root_rows(usage.marked.roots, own, ())
    yield from sentences(space.ROOT_COLUMNS[1:], [Row(row.key, row.cells[1:]) for row in rows])


def _of_containers(store: str) -> Iterator[str]:
    """Yield the containers, where there are some, each project's after its own line."""
    seen = Watcher(store).look()
    if not seen.containers:
        return
    known = Samples()
    known.note(seen.usages)
    yield ""
    yield f"Containers: {containers.summary(seen.containers, len(seen.containers))}"
    yield from sentences(
        containers.COLUMNS[1:],
        [
            Row(row.key, row.cells[1:])
            for row in containers.rows(containers.grouped(seen.containers, seen.needs), seen.needs, known)
        ],
    )


def facts(told: Sequence[tuple[str, Cell]]) -> Iterator[str]:
    """Yield names and values."""
    for name, cell in told:
        yield printable(f"{name}: {cell.text}" if name else cell.text)


def sentences(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[str]:
    """Yield a line a row: what it is, then each column's title and value, but for bars and empty cells."""
    for row in rows:
        named = [
            (one.title.lower(), cell.text) for one, cell in zip(columns, row.cells, strict=True) if one.title
        ]
        told = [f"{title} {text.strip()}" for title, text in named[1:] if text.strip()]
        yield printable(", ".join([named[0][1], *told]))
