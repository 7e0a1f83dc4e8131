"""State of a build: facts and layers known so far, and from them the layers that can be made next. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from attrs import define, field, frozen

from envforge.build.layer import Made
from envforge.build.recipe import Recipe
from envforge.build.task import Kind
from envforge.build.workers import Job
from envforge.sources.debian.dpkg.facts import Facts
from envforge.sources.debian.layers import jobs
from envforge.sources.debian.model import Closure, LockedPackage, package_id
from envforge.sources.debian.recipes import plan
from envforge.sources.debian.recipes.plan import Package, Step


@frozen
class Possible:
    """A layer that can be made now, and the job that makes it."""

    recipe: Recipe
    kind: Kind
    job: Job
    arguments: tuple[object, ...]
    """Arguments of the job after the site."""


@frozen
class Whole:
    """Steps and recipes that need the facts of all packages."""

    packages: Mapping[str, Package]
    last: Step
    """The step that is configured last: `rest`, or `base` if there is no rest."""
    rest: Step | None
    inert: Recipe | None


@define
class State:
    """Facts and layers known so far."""

    packages: Mapping[str, LockedPackage]
    """By package id."""
    base_ids: frozenset[str]
    facts: dict[str, Facts] = field(factory=dict)
    """Facts of unpacked packages, by package id."""
    made: dict[str, Made] = field(factory=dict)
    """Layers by the key of their recipe."""
    _base: Step | None = field(default=None, init=False)
    _whole: Whole | None = field(default=None, init=False)

    def having(self, ids: Collection[str]) -> dict[str, Package]:
        """Return the packages of `ids` with their facts."""
        return {name: Package(self.packages[name], self.facts[name]) for name in ids}

    def base(self) -> Step | None:
        """Return the step that configures the base, None until its packages are unpacked."""
        if self._base is None and self.base_ids <= self.facts.keys():
            self._base = plan.base_step(self.having(self.base_ids))
        return self._base

    def whole(self) -> Whole | None:
        """Return the `Whole`, None until all packages are unpacked."""
        base = self.base()
        if self._whole is None and base is not None and self.packages.keys() == self.facts.keys():
            everything = self.having(self.packages)
            rest = plan.rest_step(everything, base)
            last = rest or base
            self._whole = Whole(everything, last, rest, plan.inert_recipe(everything, last))
        return self._whole

    def possible(self) -> Iterator[Possible]:
        """Yield every layer that can be made now and is not made yet, lower ones first."""
        return (layer for layer in self._possible() if layer.recipe.key not in self.made)

    def recipes(self) -> Iterator[Recipe]:
        """Yield the recipes of the layers that the environment consists of, as far as they are known."""
        base, whole = self.base(), self.whole()
        if base is not None:
            yield base.recipe
        if base is not None and whole is not None:
            yield from _farms(whole)
            yield from [whole.rest.recipe] if whole.rest is not None else []
            below = self._below(base, whole)
            if below:
                yield self._database(whole, below)

    def unconfigured(self) -> frozenset[str] | None:
        """Return the packages still to be configured; None before all is unpacked or after the end."""
        base, whole = self.base(), self.whole()
        if base is None or whole is None or not any(True for _ in self.possible()):
            return None
        steps = [step for step in (base, whole.rest) if step is not None]
        return frozenset(
            name for step in steps if step.recipe.key not in self.made for name in step.configure
        )

    def _possible(self) -> Iterator[Possible]:
        base, whole = self.base(), self.whole()
        if base is not None:
            yield from self._step(base, self.base_ids, ())
        if base is None or whole is None:
            return
        if whole.rest is not None:
            yield from self._step(whole.rest, whole.rest.packages, (base,))
        yield from self._farms(whole)
        below = self._below(base, whole)
        if below:
            yield self._last(whole, below)

    def _farms(self, whole: Whole) -> Iterator[Possible]:
        """Yield the environment's farms: the one of the last step, then that of inert packages over it."""
        last = whole.last
        yield Possible(last.farm, Kind.LINK, jobs.farm, (self.having(last.packages),))
        if whole.inert is not None and last.farm.key in self.made:
            arguments = (whole.packages, last.packages, self.made[last.farm.key])
            yield Possible(whole.inert, Kind.LINK, jobs.inert, arguments)

    def _step(self, step: Step, ids: Collection[str], beneath: Sequence[Step]) -> Iterator[Possible]:
        """Yield the farm of a step's packages; the step itself, too, once farm and steps beneath are made."""
        if step.recipe.key in self.made:
            return
        packages = self.having(ids)
        yield Possible(step.farm, Kind.LINK, jobs.farm, (packages,))
        keys = [*(lower.recipe.key for lower in beneath), step.farm.key]
        if self.made.keys() >= set(keys):
            beneath_it = tuple(self.made[key] for key in keys)
            yield Possible(step.recipe, Kind.RUN, jobs.configured, (step, packages, beneath_it))

    def _last(self, whole: Whole, below: tuple[Made, ...]) -> Possible:
        recipe = self._database(whole, below)
        return Possible(recipe, Kind.LINK_AND_RUN, jobs.database, (whole.packages, below))

    def layers(self) -> tuple[Made, ...] | None:
        """Return the layers, top to bottom, once all are made."""
        base, whole = self.base(), self.whole()
        below = self._below(base, whole) if base is not None and whole is not None else ()
        if whole is None or not below:
            return None
        top = self.made.get(self._database(whole, below).key)
        return None if top is None else (top, *below)

    def _below(self, base: Step, whole: Whole) -> tuple[Made, ...]:
        """Return the layers beneath the database, top to bottom, or nothing while one is missing."""
        keys = [base.recipe.key, *(farm.key for farm in _farms(whole))]
        if whole.rest is not None:
            keys.insert(0, whole.rest.recipe.key)
        return tuple(self.made[key] for key in keys) if self.made.keys() >= set(keys) else ()

    @staticmethod
    def _database(whole: Whole, below: tuple[Made, ...]) -> Recipe:
        configured = (made.recipe for made in below if made.recipe.kind == "configure")
        return plan.database_recipe(whole.packages, configured)


def _farms(whole: Whole) -> list[Recipe]:
    """Return the recipes of the environment's farms, top to bottom."""
    return [whole.last.farm] if whole.inert is None else [whole.inert, whole.last.farm]


def state_of(closure: Closure) -> State:
    """Return the state before anything is unpacked: what the lock alone says."""
    packages = {package_id(package, closure.architecture): package for package in closure.packages}
    return State(packages, frozenset(name for name, package in packages.items() if package.base))
