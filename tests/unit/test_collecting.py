"""Garbage collection on stores made by hand: what goes, stays and comes back, whenever it is killed."""

import fcntl
import importlib
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial

import pytest
from stores import hand_made, key

from envforge.api.history import rollback
from envforge.environment.projects import dropping, generations
from envforge.environment.projects.location import Location
from envforge.errors import NotFoundError, StoreError, UsageError
from envforge.store import blobs, holds, locks, records, staging
from envforge.upkeep import documents, pins, things
from envforge.upkeep import roots as finding
from envforge.upkeep.freeing import trash
from envforge.upkeep.freeing.collect import _drop, undo
from envforge.upkeep.freeing.plan import plan
from envforge.upkeep.freeing.sweep import Sweeper, sweep
from envforge.upkeep.mark import mark
from envforge.upkeep.model import Cause, Policy

SHARED = ("shared", "base")


@pytest.fixture
def made(tmp_path):
    """A store with three projects: one with two generations, one whose spec is gone, and garbage."""
    store = hand_made(str(tmp_path / "store"), "true")
    store.layer("shared", ["one", "two"])
    for name, archive in (("old", "three"), ("new", "four"), ("left", "five"), ("nobody", "six")):
        store.layer(f"{name}-top", [archive], lower=["shared", "for-the-build"])
        store.environment(name, [f"{name}-top", "shared"])
    store.layer("for-the-build", ["one"])
    spec = tmp_path / "shop" / "envforge.toml"
    spec.parent.mkdir()
    spec.touch()
    store.generation(str(spec), "old")
    store.generation(str(spec), "new")
    store.generation(str(tmp_path / "left" / "envforge.toml"), "left")
    return store


@pytest.fixture
def spec(tmp_path):
    return str(tmp_path / "shop" / "envforge.toml")


def marked(store):
    found = things.listed(store)
    return mark(found, finding.roots(store, found), partial(documents.read, store))


def collect(store, policy=None):
    decided = plan(marked(store), policy or Policy(), now=time.time())
    with trash.filling(store) as into:
        _drop(store, decided, into)
        sweep(store, decided, into)
    return decided


def recorded(store):
    return dict(records.read_all(f"{store.path}/roots"))


def environments(store):
    return {name[:-5] for name in os.listdir(f"{store.path}/environments") if name.endswith(".json")}


def test_what_no_generation_reaches_goes(made):
    before = made.paths()
    collect(made.store)
    gone = before - made.paths()
    nobody = made.archives["six"]
    assert environments(made.store) == {made.environments[name] for name in ("old", "new", "left")}
    assert f"layers/true/{made.layers['nobody-top']}" in gone
    assert f"layers/true/{made.layers['for-the-build']}" in gone
    assert {f"trees/true/{nobody}", f"facts/{nobody}.json", f"blobs/{nobody[:2]}/{nobody}"} <= gone
    assert f"records/{key('for-the-build')}.json" not in gone  # it says how to make it again
    assert f"layers/true/{made.layers['shared']}" not in gone
    assert not any(made.archives[name] in path for name in ("one", "two", "three") for path in gone)


def test_undo_is_the_inverse(made):
    paths, known = made.paths(), recorded(made.store)
    collect(made.store, Policy(keep=1, gone=True))
    assert made.paths() != paths
    assert recorded(made.store) != known
    restored = undo(made.store)
    assert (made.paths(), recorded(made.store)) == (paths, known)
    assert restored.generations == 2
    with pytest.raises(NotFoundError):
        undo(made.store)


def test_the_newest_generations_stay(made, spec):
    collect(made.store, Policy(keep=1))
    assert environments(made.store) == {made.environments["new"], made.environments["left"]}
    assert [one.number for one in generations.find(made.store, spec).generations] == [2]


def test_a_generation_is_dropped_by_name_but_no_current_one(made, spec):
    collect(made.store, Policy(drop=frozenset({(spec, "default", 1), (spec, "default", 2)})))
    assert environments(made.store) == {made.environments["new"], made.environments["left"]}
    assert [one.number for one in generations.find(made.store, spec).generations] == [2]


def test_projects_whose_spec_is_gone_are_named_and_dropped_when_asked(made, tmp_path):
    decided = collect(made.store)
    assert [root.spec for root in decided.gone] == [str(tmp_path / "left" / "envforge.toml")]
    decided = collect(made.store, Policy(gone=True))
    assert [root.name for root in decided.dropped] == ["left@1"]
    assert made.environments["left"] not in environments(made.store)
    assert len(recorded(made.store)) == 1


def test_what_was_not_used_for_long_goes_but_no_current_generation(made):
    for digest in made.environments.values():
        os.utime(made.store.environment_lock(digest), (1, 1))
    path = next(iter(recorded(made.store)))
    for name, document in recorded(made.store).items():
        old = [{**one, "created": 1} for one in document["generations"]]
        records.write(made.store, f"{made.store.path}/roots/{name}.json", {**document, "generations": old})
    assert path
    collect(made.store, Policy(unused_for_s=3600))
    assert environments(made.store) == {made.environments["new"]}


def test_what_was_entered_lately_stays(made):
    os.utime(made.store.environment_lock(made.environments["old"]))
    collect(made.store, Policy(unused_for_s=3600))
    assert made.environments["old"] in environments(made.store)


def test_pins_keep_environments(made):
    pins.add(made.store, "demo", made.environments["nobody"])
    collect(made.store, Policy(keep=1, gone=True))
    assert environments(made.store) == {made.environments[name] for name in ("new", "nobody")}
    pins.remove(made.store, "demo")
    collect(made.store)
    assert environments(made.store) == {made.environments["new"]}


def test_pins_of_what_is_not_there_are_refused(made):
    with pytest.raises(NotFoundError):
        pins.add(made.store, "demo", key("nothing"))
    with pytest.raises(NotFoundError):
        pins.remove(made.store, "demo")
    with pytest.raises(UsageError):
        pins.add(made.store, "../demo", made.environments["new"])
    pins.add(made.store, "demo", made.environments["new"])
    pins.add(made.store, "demo", made.environments["new"])
    with pytest.raises(UsageError):
        pins.add(made.store, "demo", made.environments["old"])


@contextmanager
def inside(store, digest):
    """Be in an environment, as a sandbox's parent is."""
    with open(store.environment_lock(digest), "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def test_what_somebody_is_inside_of_stays(made):
    with inside(made.store, made.environments["nobody"]), inside(made.store, made.environments["old"]):
        found = [root for root in marked(made.store).roots if root.cause == Cause.SANDBOX]
        assert {root.environment for root in found} == {made.environments[name] for name in ("nobody", "old")}
        collect(made.store, Policy(keep=1))
    assert environments(made.store) == {made.environments[name] for name in ("old", "new", "left", "nobody")}
    assert os.path.exists(made.store.layer("true", made.layers["nobody-top"]))


def test_who_enters_after_the_plan_keeps_it_all(made):
    decided = plan(marked(made.store), Policy(), now=time.time())
    digest = made.environments["nobody"]
    with inside(made.store, digest), trash.filling(made.store) as into:
        sweep(made.store, decided, into)
    assert digest in environments(made.store)
    assert os.path.exists(made.store.layer("true", made.layers["nobody-top"]))
    assert os.path.exists(made.store.tree("true", made.archives["six"]))


def test_what_a_build_holds_after_the_plan_stays(made):
    decided = plan(marked(made.store), Policy(), now=time.time())
    names = [made.archives["six"], made.layers["for-the-build"]]
    with holds.holding(made.store, names), trash.filling(made.store) as into:
        sweep(made.store, decided, into)
    assert os.path.exists(made.store.tree("true", made.archives["six"]))
    assert os.path.exists(made.store.blob(made.archives["six"]))
    assert os.path.exists(made.store.layer("true", made.layers["for-the-build"]))
    assert not os.path.exists(made.store.layer("true", made.layers["nobody-top"]))


def test_a_generation_that_comes_after_the_plan_keeps_its_environment(made, spec):
    decided = plan(marked(made.store), Policy(), now=time.time())
    made.layer("late", ["six"], lower=["for-the-build"])
    made.environment("late", ["late", "nobody-top"])
    made.generation(spec, "late")
    with trash.filling(made.store) as into:
        sweep(made.store, decided, into)
    assert os.path.exists(made.store.tree("true", made.archives["six"]))
    assert os.path.exists(made.store.layer("true", made.layers["nobody-top"]))
    assert made.environments["nobody"] not in environments(made.store)


def test_a_generation_that_comes_between_two_batches_keeps_its_environment(made, spec, monkeypatch):
    monkeypatch.setattr("envforge.upkeep.freeing.sweep.PAUSE_S", 0)
    monkeypatch.setattr(Sweeper, "_move", lambda _self, _place, _trash: None)
    sweeper = Sweeper(made.store, plan(marked(made.store), Policy(), now=time.time()))
    with trash.filling(made.store) as into:
        sweeper.batch(into)
        made.generation(spec, "nobody")
        monkeypatch.undo()
        while sweeper.waiting:
            sweeper.batch(into)
    assert made.environments["nobody"] in environments(made.store)
    assert os.path.exists(made.store.tree("true", made.archives["six"]))


def test_builds_wait_for_a_batch_only(made, monkeypatch):
    """Whoever wants to hold a name gets his turn between two batches."""
    for at in range(40):
        made.archive(f"more {at}", files=1)
    take = trash.Trash.take
    monkeypatch.setattr(trash.Trash, "take", lambda *given: (time.sleep(0.02), take(*given))[1])
    waited, done = [], threading.Event()

    def hold() -> None:
        while not done.is_set():
            before = time.monotonic()
            with holds.holding(made.store, [key("something")]):
                waited.append(time.monotonic() - before)
            time.sleep(0.001)

    thread = threading.Thread(target=hold)
    thread.start()
    collect(made.store)
    done.set()
    thread.join()
    assert len(waited) > 5
    assert max(waited) < 1


def test_what_a_rollback_goes_back_to_is_not_collected_meanwhile(made, spec, tmp_path, monkeypatch):
    """A collection that drops its target begins and ends while spec and lock are being written."""
    way = importlib.import_module("envforge.environment.projects.rollback")
    monkeypatch.setenv("HOME", str(tmp_path))
    restore = way.restore

    def collected_before(changes):
        decided = collect(made.store, Policy(keep=1))
        assert [root.name for root in decided.dropped] == ["shop@1"]
        restore(changes)

    monkeypatch.setattr(way, "restore", collected_before)
    done = rollback(Location(spec, made.store.path, "default"), 1, over_edits=True)
    assert (done.generation.environment, done.built) == (made.environments["old"], False)
    assert [one.number for one in generations.find(made.store, spec).generations] == [2, 3]
    collect(made.store)
    assert environments(made.store) == {made.environments[name] for name in ("old", "new", "left")}
    with open(spec, "rb") as file:
        assert file.read() == blobs.read(made.store, done.generation.spec)
    for name in ("old-top", "shared"):
        assert os.path.exists(made.store.layer("true", made.layers[name]))


def test_a_project_that_was_dropped_begins_anew_and_its_old_generations_come_back(made, spec):
    """Nothing of the old history is there to go on from; brought back, it lies before the new one."""
    os.unlink(spec)
    collect(made.store, Policy(gone=True))
    assert generations.find(made.store, spec) is None
    made.layer("late", ["seven"])
    made.environment("late", ["late"])
    made.generation(spec, "late")
    assert [one.number for one in generations.find(made.store, spec).generations] == [1]
    [name] = trash.collected(made.store)
    for _ in range(2):  # as if the first had been killed right before its end
        for _, document in trash._dropped(f"{made.store.path}/trash/{name}"):
            dropping.bring_back(made.store, document)
        known = generations.find(made.store, spec).generations
        assert [(one.number, one.environment) for one in known] == [
            (at, made.environments[one]) for at, one in enumerate(("old", "new", "late"), 1)
        ]


def test_a_lock_being_made_keeps_files_that_nothing_names_yet(made):
    sha256 = made.archives["six"]
    with holds.holding(made.store, [holds.LOCKING]):
        collect(made.store)
        assert os.path.exists(made.store.blob(sha256))
        assert os.path.exists(made.store.facts(sha256))
    collect(made.store)
    assert not os.path.exists(made.store.blob(sha256))


def test_kept_changes_keep_the_layers_below(made):
    upper = f"{made.store.path}/uppers/kept-mine"
    os.mkdir(upper)
    with open(f"{upper}/over", "w", encoding="ascii") as file:
        file.write(
            f"{made.store.path}/layers/true\n{made.layers['nobody-top']}/root\n{made.layers['shared']}/root\n"
        )
    collect(made.store)
    assert os.path.exists(made.store.layer("true", made.layers["nobody-top"]))


def test_tools_used_lately_stay_with_their_index(made):
    sha256 = made.archives["six"]
    for name in (f"table-{sha256}", "apt-old", "lists-new"):
        os.mkdir(f"{made.store.path}/tools/{name}")
    os.utime(f"{made.store.path}/tools/apt-old", (1, 1))
    collect(made.store)
    assert os.path.exists(made.store.blob(sha256))
    assert sorted(os.listdir(f"{made.store.path}/tools")) == ["lists-new", f"table-{sha256}"]
    os.utime(f"{made.store.path}/tools/table-{sha256}", (1, 1))
    undo(made.store)
    assert "apt-old" in os.listdir(f"{made.store.path}/tools")


@pytest.mark.parametrize("folder", ["roots", "pins", "environments", "records"])
def test_a_damaged_document_stops_it_before_anything_goes(made, folder):
    if folder == "pins":
        pins.add(made.store, "demo", made.environments["new"])
    reached = {"environments": made.environments["new"], "records": key("shared")}
    directory = f"{made.store.path}/{folder}"
    path = f"{directory}/{reached[folder]}.json" if folder in reached else next(os.scandir(directory)).path
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) // 2)
    before = made.paths()
    with pytest.raises(StoreError):
        collect(made.store)
    assert made.paths() == before


def test_a_store_of_a_newer_format_is_refused(made):
    path = made.store.record(key("shared"))
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace('"format": 1', '"format": 9'))
    with pytest.raises(StoreError, match="format"):
        collect(made.store)


def test_a_damaged_document_that_nothing_reaches_just_goes(made):
    with open(made.store.record(key("nobody-top")), "wb") as file:
        file.write(b"{")
    collect(made.store)
    assert not os.path.exists(made.store.record(key("nobody-top")))


def earlier(store, seconds):
    """Make the only trash so much older; return its path."""
    [name] = trash.collected(store)
    path = f"{store.path}/trash/gc-{time.time_ns() - seconds * 10**9}-{'0' * 12}"
    os.rename(f"{store.path}/trash/{name}", path)
    return path


def test_the_last_collection_is_undone_first_whatever_the_clock_says(made, monkeypatch):
    names = []
    for _ in range(5):
        with trash.filling(made.store) as one:
            os.mkdir(f"{one.path}/blobs")
        names.append(os.path.basename(one.path))
        monkeypatch.setattr(time, "time_ns", lambda: 5)
    assert trash.collected(made.store) == names[::-1]


def test_what_came_again_is_not_replaced_by_undo(made):
    sha256 = made.archives["six"]
    collect(made.store)
    with open(made.store.blob(sha256), "wb") as file:
        file.write(b"fetched again")
    undo(made.store)
    with open(made.store.blob(sha256), "rb") as file:
        assert file.read() == b"fetched again"
    assert os.path.exists(made.store.tree("true", sha256))


def test_the_last_collection_is_undone_first(made):
    everything = made.paths()
    collect(made.store)
    once = made.paths()
    earlier(made.store, 60)
    collect(made.store, Policy(gone=True))
    undo(made.store)
    assert made.paths() == once
    undo(made.store)
    assert made.paths() == everything


def test_builds_leave_young_trash_and_clear_the_old(made):
    collect(made.store)
    assert not staging.has_debris(made.store)
    staging.clear_debris(made.store)
    earlier(made.store, staging.COLLECTED_KEPT_S + 1)
    assert staging.has_debris(made.store)
    staging.clear_debris(made.store)
    assert os.listdir(f"{made.store.path}/trash") == []


def test_old_trash_that_is_just_being_undone_is_left_alone(made):
    collect(made.store)
    path = earlier(made.store, staging.COLLECTED_KEPT_S + 1)
    with trash._locked(path):
        staging.clear_debris(made.store)
        assert os.path.isdir(path)
    staging.clear_debris(made.store)
    assert not os.path.exists(path)


def test_one_collection_at_a_time(made):
    descriptor = locks.try_hold(made.store, "gc")
    with pytest.raises(Exception) as caught:  # noqa: PT011 (its code is what counts)
        undo(made.store)
    assert caught.value.exit_code == 30
    os.close(descriptor)


KILLED = """
import os, signal, sys, time
sys.path[:0] = sys.argv[1:3]
from test_collecting import Policy, collect, undo
from envforge.store.layout import Store
import importlib

def die(*_given, **_named):
    os.kill(os.getpid(), signal.SIGKILL)

module, _, name = sys.argv[4].rpartition(":")
owner = importlib.import_module(module)
for part in name.split(".")[:-1]:
    owner = getattr(owner, part)
last, count = name.split(".")[-1], int(sys.argv[5])
real, left = getattr(owner, last), [count]

def counted(*given, **named):
    left[0] -= 1
    return die() if left[0] < 0 else real(*given, **named)

setattr(owner, last, counted)
store = Store(sys.argv[3])
undo(store) if sys.argv[6] == "undo" else collect(store, Policy(keep=1, gone=True))
print("not killed")
"""
POINTS = [
    "envforge.upkeep.freeing.trash:Trash.note",
    "envforge.environment.projects.dropping:_write",
    "envforge.environment.projects.dropping:records.write",
    "os:unlink",
    "os:rename",
    "os:makedirs",
    "os:rmdir",
    "envforge.upkeep.freeing.trash:Trash.take",
    "envforge.store.holds:collecting",
    "envforge.upkeep.freeing.trash:_move_back",
    "envforge.environment.projects.dropping:bring_back",
]


def killed(made, point, count, what):
    """Run a collection, or undo one, in a process that kills itself at a call; say whether it did."""
    words = [os.path.dirname(__file__), os.path.dirname(os.path.dirname(__file__)), made.store.path]
    run = [sys.executable, "-c", KILLED, *words, point, str(count), what]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == -9


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("count", [0, 2])
def test_a_collection_that_is_killed_has_lost_nothing(made, point, count):
    paths, known = made.paths(), recorded(made.store)
    killed(made, point, count, "gc")
    for one in generations.projects(made.store):
        assert made.environments["new"] in environments(made.store)
        assert one.current.environment in environments(made.store)
    collect(made.store, Policy(keep=1, gone=True))
    assert environments(made.store) == {made.environments["new"]}
    while trash.collected(made.store):
        undo(made.store)
    assert (made.paths(), recorded(made.store)) == (paths, known)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("count", [0, 2])
def test_an_undo_that_is_killed_goes_on_from_there(made, point, count):
    paths, known = made.paths(), recorded(made.store)
    collect(made.store, Policy(keep=1, gone=True))
    killed(made, point, count, "undo")
    for one in generations.projects(made.store):
        assert one.current.environment in environments(made.store)
    while trash.collected(made.store):
        undo(made.store)
    assert (made.paths(), recorded(made.store)) == (paths, known)
