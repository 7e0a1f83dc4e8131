"""Writes the cache from which the warm path (`hot.py`) answers the next command."""

from collections.abc import Sequence

from envforge.environment.entering.plan import RunOptions
from envforge.environment.made import assemble
from envforge.environment.made.assemble import BuildResult
from envforge.environment.projects import generations, ownership
from envforge.environment.projects.project import Project
from envforge.lock import file as lock_file
from envforge.run_options import plan_words
from envforge.sandbox import cache
from envforge.sandbox.ids import identity as identities
from envforge.sandbox.plan.compile import Compiled
from envforge.sources import registry
from envforge.spec import parse as spec_parse
from envforge.store.layout import Store


def keep_plan(
    project: Project,
    options: RunOptions,
    compiled: Compiled,
    result: BuildResult,
    watched: "cache.Watched",
) -> None:
    """Cache the plan, if spec and lock are still those that it was made from.

    The warm path need not ask for consent again: an edited spec has another key, misses the cache, and asks.
    """
    cache.make_secret()
    words = plan_words(options.volumes, options.user, options.limits, is_private=options.is_private)
    key = _key(project, words)
    outputs = assemble.locked_part(project, lock_file.read(project.lock_path)).outputs
    same_lock = outputs is not None and outputs.environment == result.environment
    if (
        key is not None
        and same_lock
        and spec_parse.parse_all(spec_parse.read(project.spec_path), project.spec_path) == project.specs
    ):
        owners = ownership.check(project.found)
        links = tuple((source, place) for source, place in project.places.items() if source != place)
        cache.store_plan(key, {**compiled, "owners": owners, "links": links}, watched)


def _key(project: Project, options: Sequence[str]) -> str | None:
    place = project.store_path
    return cache.project_key(project.spec_path, project.lock_path, place, options, project.environment)


def keep_answer(project: Project, command: str, said: str, result: BuildResult | None = None) -> None:
    """Cache the output of a command that had nothing to do, until anything that it depends on changes."""
    if any(source.watched(project.spec, project.directory) for source in registry.LOCAL):
        return  # checking every local file would be most of the work that the cache saves
    cache.make_secret()
    key = _key(project, [command])
    if (
        key is None
        or spec_parse.parse_all(spec_parse.read(project.spec_path), project.spec_path) != project.specs
    ):
        return
    needs: tuple[str, ...] = ()
    watched: cache.Watched = ()
    if result is not None:
        store = Store(project.store_path)
        held = identities.detect().held
        layers = (store.layer(held, layer.digest) for layer in result.layers)
        needs = (*layers, store.environment(result.environment))
        watched = cache.watch([generations.path(store, project.spec_path, project.environment)])
    owners = ownership.check(project.found)
    links = tuple((source, place) for source, place in project.places.items() if source != place)
    answer = {"owners": owners, "links": links, "needs": needs, "said": said}
    cache.store_plan(key, answer, watched)
