"""Finds the container, or the sandbox that runs, which a word names."""

from collections.abc import Iterator, Sequence

from attrs import evolve

from envforge.compare import targets
from envforge.compare.sides import Inside
from envforge.compare.targets import Here, Target
from envforge.containers import named, plans, records
from envforge.containers.records import Container
from envforge.errors import AmbiguousError
from envforge.sandbox.compiled import Plan
from envforge.sandbox.life.running import Running, running
from envforge.sandbox.uppers import KEPT
from envforge.units import printable


def find(here: Here, word: str) -> Target | None:
    """Return what runs, or ran, under that name or id, None for nothing. Raises AmbiguousError, StoreError.

    A container is named by its name, its id, or as a service of the project here.
    """
    if here.store is None:
        return None
    container = _container(here.store.path, here.spec_path, word)
    if container is not None:
        return _of_container(here, container)
    found = [one for one in running() if word in {one.id, one.name} and one.store == here.store.path]
    if len(found) > 1:
        raise _ambiguous(word, found)
    return _of_sandbox(here, found[0]) if found else None


def words(here: Here) -> Iterator[tuple[str, str]]:
    """Yield each container's name with what it is: for completion."""
    for one in records.read_all(here.store.path) if here.store is not None else ():
        yield one.name, f"container, {one.status}"


def _container(store: str, spec: str, word: str) -> Container | None:
    identifier = records.exact(store, word)
    if identifier:
        return records.read(store, identifier)
    return named.of_service(store, spec, word) if spec else None


def _of_container(here: Here, container: Container) -> Target:
    plan = plans.known(container)
    title = f"the container {container.name}"
    return _over(here, container.config["environment"], title, plan, f"{KEPT}{container.id}")


def _of_sandbox(here: Here, one: Running) -> Target:
    return _over(here, one.environment, f"the sandbox {one.id} of {one.name}", one.plan, one.upper)


def _over(here: Here, environment: str, title: str, plan: Plan, upper: str) -> Target:
    beneath = targets.of_environment(here, environment)
    owner = plan["owner"] or (0, 0)
    inside = Inside(f"{plan['uppers']}/{upper}/upper", plan["layers_directory"], owner)
    return evolve(beneath, title=title, inside=inside)


def _ambiguous(word: str, found: Sequence[Running]) -> AmbiguousError:
    listed = "\n".join(f"  {one.id}  {printable(' '.join(one.command))}" for one in found)
    return AmbiguousError(f"{len(found)} sandboxes are called {word}:\n{listed}", hint="write the id of one")
