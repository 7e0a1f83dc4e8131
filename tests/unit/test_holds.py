"""What builds hold is seen by whoever collects, and nothing else of them."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from envforge.store import holds
from envforge.store.layout import open_store


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


def held(store):
    with holds.collecting(store) as names:
        return names


def test_names_are_held_until_the_build_has_ended(store):
    with holds.holding(store, ["a" * 64]) as first, holds.holding(store, ["b" * 64]):
        assert held(store) == {"a" * 64, "b" * 64}
        first.add("c" * 64, "d" * 64)
        assert held(store) == {letter * 64 for letter in "abcd"}
    assert held(store) == frozenset()
    assert os.listdir(f"{store.path}/holds") == []


def test_what_a_killed_build_held_is_forgotten(store):
    code = (
        "import sys, time\n"
        "from envforge.store import holds\n"
        "from envforge.store.layout import open_store\n"
        "with holds.holding(open_store(sys.argv[1]), ['a' * 64]):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    build = subprocess.Popen([sys.executable, "-c", code, store.path], stdout=subprocess.PIPE)
    assert build.stdout.readline() == b"held\n"
    assert held(store) == {"a" * 64}
    build.send_signal(signal.SIGKILL)
    build.communicate()
    assert held(store) == frozenset()
    assert os.listdir(f"{store.path}/holds") == []


def test_nothing_is_held_while_somebody_collects(store):
    """Whoever is late looks for things once those that go are in the trash."""
    with holds.holding(store) as hold:
        late = threading.Thread(target=hold.add, args=("a" * 64,))
        with holds.collecting(store) as names:
            assert names == frozenset()
            late.start()
            late.join(0.2)
            assert late.is_alive()
        late.join(10)
        assert held(store) == {"a" * 64}
