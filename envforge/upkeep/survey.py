"""Surveys a store: lists and measures its things, finds its roots, marks what each of them reaches."""

from functools import partial

from attrs import frozen

from envforge.progress import Progress
from envforge.sandbox.ids.identity import Identity
from envforge.store.layout import Store
from envforge.upkeep import documents, sizes, things
from envforge.upkeep.mark import mark
from envforge.upkeep.model import Marked, Root, Size
from envforge.upkeep.roots import roots


@frozen
class Survey:
    """A store as it was at one moment. Nothing is locked, so builds and sandboxes may have gone on since."""

    marked: Marked
    passing: dict[str, Size]
    """The space of the folders of `sizes.PASSING`."""


def survey(store: Store, identity: Identity, progress: Progress) -> Survey:
    """Return what a store has, and what keeps it. Raises StoreError where a document is damaged."""
    found = things.listed(store)
    measured = sizes.measured(store, identity, found, progress)
    whole = things.with_sizes(found, measured)
    marked = mark(whole, roots(store, whole), partial(documents.read, store))
    return Survey(marked, {folder: measured.get(folder, Size()) for folder in sizes.PASSING})


def roots_of(store: Store) -> tuple[Root, ...]:
    """Return what keeps things in a store, without measuring them."""
    return roots(store, things.listed(store))
