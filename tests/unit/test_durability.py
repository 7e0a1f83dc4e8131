import hashlib
import os
import time

import pytest

from envforge.store import blobs, durability
from envforge.store.layout import open_store


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


def marks(store):
    return os.listdir(f"{store.path}/unsynced")


def layer(store, name):
    path = store.layer("flat", hashlib.sha256(name.encode()).hexdigest())
    os.makedirs(f"{path}/root")
    return path


def test_a_finished_build_leaves_no_mark(store):
    with durability.reaching_disk(store):
        assert len(marks(store)) == 1
        path = layer(store, "a")
    assert marks(store) == []
    with durability.reaching_disk(store):
        assert os.path.isdir(path)


def test_a_killed_build_loses_nothing_and_its_mark_goes_with_the_next_one(store):
    with pytest.raises(KeyboardInterrupt), durability.reaching_disk(store):
        path = layer(store, "a")
        raise KeyboardInterrupt
    assert len(marks(store)) == 1
    with durability.reaching_disk(store):
        assert os.path.isdir(path)
    assert marks(store) == []


def test_what_is_newer_than_a_mark_of_another_boot_is_thrown_away(store):
    old = layer(store, "old")
    time.sleep(0.05)  # the file system's clock is coarse, and what is equally old is not trusted
    open(f"{store.path}/unsynced/{'0' * 32}-1", "w").close()
    new = layer(store, "new")
    whole, torn = blobs.put(store, b"x"), blobs.put(store, b"y")
    os.truncate(store.blob(torn), 0)
    with durability.reaching_disk(store):
        assert os.path.isdir(old)
        assert not os.path.exists(new)
        assert blobs.has(store, whole)
        assert not blobs.has(store, torn)
    assert marks(store) == []


def test_two_builds_at_once_keep_their_own_marks(store):
    with durability.reaching_disk(store):
        with durability.reaching_disk(store):
            assert len(marks(store)) == 2
        assert len(marks(store)) == 1
    assert marks(store) == []
