"""What is kept for the warm path (`hot.py`), which answers the next command without any of this."""

from envforge.environment import assemble, generations, ownership
from envforge.environment.assemble import BuildResult
from envforge.environment.plan import RunOptions
from envforge.environment.project import Project
from envforge.lock import file as lock_file
from envforge.run_options import plan_words
from envforge.sandbox import cache
from envforge.sandbox import identity as identities
from envforge.sandbox.plan import Compiled
from envforge.spec import parse as spec_parse
from envforge.store.layout import Store


def keep_plan(
    project: Project,
    options: RunOptions,
    compiled: Compiled,
    result: BuildResult,
    watched: "cache.Watched",
) -> None:
    """Keep the plan, if spec and lock are still those that it was made from.

    The plan of an allowed reach only: an edited spec has another key, goes the long way, and asks.
    """
    cache.make_secret()
    words = plan_words(options.volumes, options.user)
    key = cache.project_key(project.spec_path, project.lock_path, project.store_path, words)
    part = assemble.architecture_part(lock_file.read(project.lock_path))
    same_lock = part.outputs is not None and part.outputs.environment == result.environment
    if key is not None and same_lock and spec_parse.load(project.spec_path) == project.spec:
        owners = ownership.check(project.found)
        links = tuple((source, place) for source, place in project.places.items() if source != place)
        cache.store_plan(key, {**compiled, "owners": owners, "links": links}, watched)


def keep_answer(project: Project, command: str, said: str, result: BuildResult | None = None) -> None:
    """Keep what a command that had nothing to do has said, until anything that it depends on changes."""
    if project.spec.files:
        return  # every file would have to be looked at, which is most of the work
    cache.make_secret()
    key = cache.project_key(project.spec_path, project.lock_path, project.store_path, [command])
    if key is None or spec_parse.load(project.spec_path) != project.spec:
        return
    needs: tuple[str, ...] = ()
    watched: cache.Watched = ()
    if result is not None:
        store = Store(project.store_path)
        held = identities.detect().held
        layers = (store.layer(held, layer.digest) for layer in result.layers)
        needs = (*layers, store.environment(result.environment))
        watched = cache.watch([generations.path(store, project.spec_path)])
    owners = ownership.check(project.found)
    links = tuple((source, place) for source, place in project.places.items() if source != place)
    answer = {"owners": owners, "links": links, "needs": needs, "said": said}
    cache.store_plan(key, answer, watched)
