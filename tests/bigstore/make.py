"""Makes a store of given sizes, trees and farms on all processors."""

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from attrs import frozen

from envforge.sandbox.ids import identity
from envforge.store.layout import Store, open_store
from tests.bigstore import projects
from tests.bigstore.closures import Shared, chosen, make_shared
from tests.bigstore.packages import Shipped, make_package
from tests.bigstore.projects import GENERATIONS, Place
from tests.bigstore.sizes import VERSIONS, Sizes

_Known = tuple[int, int]


@frozen
class Made:
    """What was made."""

    environments: int
    layers: int
    trees: int
    files: int


def make(directory: str, sizes: Sizes) -> Made:
    """Make a store in `directory/store` and projects in `directory/projects`."""
    os.makedirs(f"{directory}/projects", exist_ok=True)
    store, held = open_store(f"{directory}/store"), identity.detect().held
    place = Place(store, held, os.path.realpath(f"{directory}/projects"), sizes.own_layers)
    sync, os.fsync = os.fsync, lambda _descriptor: None  # nothing of it need survive a power cut
    try:
        with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:
            packages = _packages(store, held, sizes, pool)
            shared = _shared(store, held, sizes, packages, pool)
            ordered = partial(_project, place, sizes, shared)
            list(pool.map(ordered, range(-(-sizes.environments // GENERATIONS)), chunksize=4))
        missing = sizes.layers - len(os.listdir(f"{store.path}/layers/{held}"))
        for number in range(max(1, missing)):
            projects.make_unreached(place, number)
        projects.settle(place)
    finally:
        os.fsync = sync
    layers = len(os.listdir(f"{store.path}/layers/{held}"))
    files = len(packages) * sizes.of_package + sum(one.layers[-1].files for one in shared) + 2 * layers
    return Made(sizes.environments, layers, len(packages), files)


def _packages(store: Store, held: str, sizes: Sizes, pool: ProcessPoolExecutor) -> dict[_Known, Shipped]:
    every = [(number, version) for number in range(sizes.names) for version in range(1, VERSIONS + 1)]
    make_one = partial(_package, store, held, sizes.of_package)
    return dict(zip(every, pool.map(make_one, every, chunksize=16), strict=True))


def _package(store: Store, held: str, files: int, which: _Known) -> Shipped:
    return make_package(store, held, *which, files)


def _shared(
    store: Store, held: str, sizes: Sizes, packages: dict[_Known, Shipped], pool: ProcessPoolExecutor
) -> list[Shared]:
    sets = ([packages[one] for one in chosen(sizes, number)] for number in range(sizes.closures))
    return list(pool.map(partial(make_shared, store, held), sets))


def _project(place: Place, sizes: Sizes, shared: list[Shared], project: int) -> None:
    """Make all generations of one project: each is built with the set of packages after the last one's."""
    first = project * GENERATIONS
    for number in range(first, min(first + GENERATIONS, sizes.environments)):
        projects.make_generation(place, number, shared[number % len(shared)], sizes.environments)
