"""Lock and facts -> the recipes of an environment's Debian layers. Pure.

    database     dpkg status, extended_states, ld.so.cache: files that depend on all packages
    rest         files that configuring the other active packages wrote
    base         files that configuring the base wrote
    inert        files of packages that no configuration needs, as hard links into their trees
    farm         files of all other packages, likewise

Each configuration runs over a farm of just the packages that its key names, so adding a package that needs no
configuration changes `inert` and `database` alone.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Final

from attrs import field, frozen

from envforge.build.recipe import Recipe, recipe
from envforge.sources.debian.dpkg import relations
from envforge.sources.debian.dpkg.facts import Facts, parse_paragraph
from envforge.sources.debian.model import LockedPackage
from envforge.sources.debian.recipes import activity
from envforge.sources.debian.recipes.awaited import awaited

_EXTRACTS: Final = "/usr/lib/apt/apt-extracttemplates"
"""Where apt has it (Debian 13 on), debconf is told the questions of every package that is installed."""
_FIRST: Final = "base-files"
"""Laid first: modes and owners of its directories win."""


@frozen
class Package:
    """A locked package with the facts of its archive."""

    locked: LockedPackage
    facts: Facts

    @property
    def relations(self) -> Mapping[str, str]:
        """Return its relation fields, as its archive has them."""
        return relations_of(self.facts)


@cache
def _fields(control: str) -> Mapping[str, str]:
    return relations.fields_of(parse_paragraph(control))


def relations_of(facts: Facts) -> Mapping[str, str]:
    """Return the relation fields of an archive's control paragraph."""
    return _fields(facts.control)


@frozen
class Step:
    """One configuration: its recipe, the farm that it runs over, the packages that it sees and configures."""

    recipe: Recipe
    farm: Recipe
    present: tuple[str, ...]
    """Packages that a lower step has configured already, or that need no configuration."""
    configure: tuple[str, ...]
    """Packages that are configured here."""
    unpack: tuple[str, ...]
    """Those of `configure` that dpkg itself must unpack: they divert others' files, so no farm has them."""
    triggers: tuple[str, ...]
    """Triggers of present packages that the new files fire."""
    epoch: int
    """Upper bound of mtimes that configuration writes: the newest one in the archives (whole seconds)."""
    awaited: Mapping[str, tuple[str, ...]] = field(factory=dict)
    """Packages with those that they wait for beyond what their archives say (`awaited.py`)."""
    registered: tuple[str, ...] = ()
    """Packages whose questions debconf is told: their own scripts might never do so."""

    @property
    def packages(self) -> frozenset[str]:
        """Return every package that the step sees."""
        return frozenset(self.present) | frozenset(self.configure)


def automatic(packages: Mapping[str, Package]) -> frozenset[str]:
    """Return the packages that apt marks as automatically installed: it may remove them once unused."""
    return frozenset(
        name
        for name, package in packages.items()
        if not (package.locked.asked or package.locked.required or package.locked.base)
    )


def base_step(packages: Mapping[str, Package]) -> Step:
    """Return the step that configures the base; `packages` are the base, no others."""
    facts = {name: package.facts for name, package in packages.items()}
    wanted = activity.active(facts)
    return _step("base", packages, present=(), wanted=wanted, triggers=(), lower=())


def rest_step(packages: Mapping[str, Package], base: Step) -> Step | None:
    """Return the step that configures all other active packages of the set, None if there are none."""
    facts = {name: package.facts for name, package in packages.items()}
    below = frozenset(base.present) | frozenset(base.configure)
    wanted = activity.active(facts).union(_registered(packages, packages)) - below
    if not wanted:
        return None
    fields = {name: package.relations for name, package in packages.items()}
    needed = relations.closure(wanted, fields) | below
    chosen = {name: package for name, package in packages.items() if name in needed}
    triggers = activity.fired(
        (package.facts for name, package in chosen.items() if name not in below),
        (package.facts for name, package in chosen.items() if name in below),
    )
    registered = _registered(packages, wanted)
    return _step(
        "rest",
        chosen,
        present=below,
        wanted=wanted,
        triggers=triggers,
        lower=(base.recipe.key,),
        registered=registered,
    )


def _registered(packages: Mapping[str, Package], wanted: Collection[str]) -> tuple[str, ...]:
    """Return those wanted packages that have questions, but no script that only asks them (debconf-devel(7)).

    Their files alone change debconf's database, so they are configured even where they have no script at all.
    """
    if not {"apt", "debconf"} <= packages.keys() or _EXTRACTS not in packages["apt"].facts.files:
        return ()
    members = {name: packages[name].facts.members for name in wanted}
    return tuple(sorted(name for name, own in members.items() if "templates" in own and "config" not in own))


def farm_recipe(packages: Mapping[str, Package]) -> Recipe:
    """Return the recipe of the farm of these packages, without those that dpkg itself unpacks."""
    return recipe("farm", "farm", packages=[packages[name].locked.sha256 for name in farmed(packages)])


def inert_recipe(packages: Mapping[str, Package], last: Step) -> Recipe | None:
    """Return the recipe of the farm of packages that the last step does not see, None if it sees all."""
    every = farmed(packages)
    if last.packages.issuperset(every):
        return None
    hashes = [packages[name].locked.sha256 for name in every]
    return recipe("inert", "farm", packages=hashes, lower=[last.farm.key])


def farmed(packages: Mapping[str, Package]) -> list[str]:
    """Return the packages whose files are laid into the farm, in its order."""
    return [name for name in order(packages) if not packages[name].facts.diverts]


def database_recipe(packages: Mapping[str, Package], lower: Iterable[Recipe]) -> Recipe:
    """Return the recipe of the database layer, over the configured layers `lower`."""
    auto = automatic(packages)
    return recipe(
        "database",
        "database",
        packages=[
            [packages[name].locked.sha256, "auto" if name in auto else "manual"] for name in order(packages)
        ],
        lower=[below.key for below in lower],
        epoch=epoch(packages.values()),
    )


def epoch(packages: Iterable[Package]) -> int:
    """Return the newest mtime in the packages' archives, whole seconds."""
    return max((package.facts.newest_mtime for package in packages), default=0)


def order(names: Collection[str]) -> list[str]:
    """Return the order in which packages are laid into a farm."""
    return sorted(names, key=lambda name: (name != _FIRST, name))


def _step(
    name: str,
    packages: Mapping[str, Package],
    *,
    present: Collection[str],
    wanted: Collection[str],
    triggers: tuple[str, ...],
    lower: tuple[str, ...],
    registered: tuple[str, ...] = (),
) -> Step:
    farm = farm_recipe(packages)
    newest = epoch(packages.values())
    unpack = tuple(name for name in sorted(wanted) if packages[name].facts.diverts)
    waits = awaited(wanted, {name: package.relations for name, package in packages.items()})
    made = recipe(
        name,
        "configure",
        packages=[packages[other].locked.sha256 for other in order(packages)],
        configure=sorted(wanted),
        unpack=list(unpack),
        triggers=list(triggers),
        lower=list(lower),
        epoch=newest,
        **({"awaited": waits} if waits else {}),
        **({"registered": list(registered)} if registered else {}),
    )
    rest = frozenset(packages) - frozenset(wanted)
    present = tuple(sorted(rest | frozenset(present)))
    return Step(made, farm, present, tuple(sorted(wanted)), unpack, triggers, newest, waits, registered)
