"""What only ever grew shrinks: locks, tools and generated files that nobody needs any more."""

import os
import threading

import pytest
from processes import lock_is_awaited, wait_until

from envforge.environment.entering import system_files
from envforge.sandbox import cache
from envforge.sources.debian.resolve import workspace
from envforge.store import locks
from envforge.store.layout import open_store


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


def age(path):
    os.utime(path, (1, 1))


def test_locks_that_nobody_takes_go_and_others_stay(store):
    for name in ("old", "new", "held"):
        with locks.holding(store, name):
            pass
    age(f"{store.path}/locks/old")
    descriptor = locks.try_hold(store, "held")
    age(f"{store.path}/locks/held")
    locks.sweep(store)
    assert sorted(os.listdir(f"{store.path}/locks")) == ["held", "new"]
    os.close(descriptor)


def test_a_lock_that_is_taken_again_is_young(store):
    with locks.holding(store, "key"):
        pass
    age(f"{store.path}/locks/key")
    with locks.holding(store, "key"):
        pass
    locks.sweep(store)
    assert os.listdir(f"{store.path}/locks") == ["key"]


def test_who_waits_for_a_lock_whose_file_goes_takes_the_new_one(store):
    first = locks.try_hold(store, "key")
    taken, done = threading.Event(), threading.Event()

    def wait():
        with locks.holding(store, "key"):
            taken.set()
            done.wait(20)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: lock_is_awaited(f"{store.path}/locks/key"))
    os.unlink(f"{store.path}/locks/key")  # as a sweep of an older release would
    os.close(first)
    assert taken.wait(20)
    assert locks.try_hold(store, "key") is None
    done.set()
    thread.join()


def test_tools_and_lists_that_nobody_resolves_with_go_to_the_trash(store):
    for name in ("apt-1", "apt-2", "lists-1", "liblzma-1"):
        os.mkdir(f"{store.path}/tools/{name}")
    for name in ("apt-1", "lists-1", "liblzma-1"):
        age(f"{store.path}/tools/{name}")
    workspace.sweep(store)
    assert sorted(os.listdir(f"{store.path}/tools")) == ["apt-2", "liblzma-1"]
    assert len(os.listdir(f"{store.path}/trash")) == 2


@pytest.mark.usefixtures("empty_home")
def test_generated_files_go_that_no_plan_mounts(tmp_path):
    directory = tmp_path / "files"
    directory.mkdir()
    for name in ("a" * 32, "b" * 32, "c" * 32):
        (directory / name).touch()
    age(directory / ("a" * 32))
    age(directory / ("b" * 32))
    os.makedirs(cache.directory(), 0o700)
    with open(f"{cache.directory()}/plan", "wb") as file:
        file.write(b"\x00path/" + b"b" * 32 + b"\x00")
    system_files.sweep(str(directory))
    assert sorted(os.listdir(directory)) == ["b" * 32, "c" * 32]
