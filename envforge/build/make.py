"""The jobs that make one layer each: farm, configured, database. Run in workers inside namespace A."""

import os
from collections.abc import Mapping, Sequence

from envforge.build import configure, system
from envforge.build import farm as farms
from envforge.build.layer import Made, Notes, ensure
from envforge.build.site import Site
from envforge.build.workers import Report
from envforge.recipe.model import Recipe
from envforge.recipe.plan import Package, Step, farmed
from envforge.sources.debian import relations
from envforge.store.listing import Entry


def farm(_report: Report, site: Site, recipe: Recipe, packages: Mapping[str, Package]) -> Made:
    """Make the farm of all packages."""

    def make(directory: str) -> tuple[list[Entry], Notes]:
        target = f"{directory}/layer/root"
        os.makedirs(target, 0o755)
        trees = [_tree(site, name, packages[name]) for name in farmed(packages)]
        chosen = farms.plan_farm([(tree, farms.load_tree(tree)) for tree in trees])
        return farms.make_farm(chosen, target, chown=site.held != "flat"), {}

    return ensure(site.store, site.held, recipe, make, anew=site.anew)


def _tree(site: Site, name: str, package: Package) -> farms.Tree:
    fields = dict(package.locked.relations)
    replaced = frozenset(group[0].name for group in relations.parse(fields.get("Replaces", "")))
    return farms.Tree(name, site.store.tree(site.held, package.locked.sha256), replaced)


def configured(
    report: Report, site: Site, step: Step, packages: Mapping[str, Package], below: Sequence[Made]
) -> Made:
    """Make the layer that configuring a step's packages writes, over a farm of just these packages."""
    lower = farm(report, site, step.farm, packages)

    def make(directory: str) -> tuple[list[Entry], Notes]:
        return configure.run(site, directory, step, packages, [*below, lower])

    return ensure(site.store, site.held, step.recipe, make, anew=site.anew)


def database(
    _report: Report, site: Site, recipe: Recipe, packages: Mapping[str, Package], below: Sequence[Made]
) -> Made:
    """Make the layer that speaks of all packages: dpkg's database and the linker's cache."""

    def make(directory: str) -> tuple[list[Entry], Notes]:
        return system.run(site, directory, packages, below), {}

    return ensure(site.store, site.held, recipe, make, anew=site.anew)
