import os
import subprocess
import sys

import pytest
from processes import lock_is_awaited, wait_until

from envforge.errors import IntegrityError, StoreError
from envforge.store import blobs, layers, locks, records
from envforge.store.layout import open_store
from envforge.store.listing import Entry
from envforge.store.scan import scan
from envforge.store.staging import clear_debris, remove_tree, staging


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


def test_a_new_store_is_private_and_opens_again(store):
    assert os.stat(store.path).st_mode & 0o777 == 0o700
    assert open_store(store.path) == store


def test_a_directory_with_other_things_is_no_store(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="other things"):
        open_store(str(tmp_path))
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_store_of_another_format_is_left_alone(store):
    with open(f"{store.path}/format", "w") as file:
        file.write("envforge-store 99\n")
    with pytest.raises(StoreError, match="envforge-store 99"):
        open_store(store.path)


def test_a_blob_is_checked_before_it_is_there(store):
    sha256 = blobs.put(store, b"hello")
    assert blobs.read(store, sha256) == b"hello"
    for data, size in ((b"jello", 5), (b"hell", 5), (b"hello!", 5)):
        with (
            pytest.raises(IntegrityError),
            blobs.writing(store, "0" * 64, size=size, name="x.deb") as sink,
        ):
            sink.write(data)
    assert not blobs.has(store, "0" * 64)
    assert os.listdir(f"{store.path}/staging") == []


def test_layers_are_published_once_and_found_by_how_owners_are_held(store):
    def publish():
        with staging(store, "layer") as directory:
            os.makedirs(f"{directory}/layer/root/etc")
            root = f"{directory}/layer/root"
            with open(f"{root}/etc/name", "w") as file:
                file.write("x")
            os.utime(f"{root}/etc/name", (5, 5))
            said = layers.stage(f"{directory}/layer", scan(root))
            return layers.publish(store, "flat", directory, "/layer", **said)

    first, second = publish(), publish()
    assert first == second
    assert first.files == 1
    assert first.size_bytes == 1
    assert layers.exists(store, "flat", first.digest)
    assert not layers.exists(store, "true", first.digest)
    assert os.listdir(f"{store.path}/staging") == []


def test_debris_of_dead_processes_is_cleared_and_that_of_living_ones_stays(store):
    code = (
        "import sys, time\n"
        "from envforge.store.layout import Store\n"
        "from envforge.store.staging import staging\n"
        "with staging(Store(sys.argv[1]), 'x') as path:\n"
        "    open(path + '/half', 'w').close(); print(path, flush=True); time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code, store.path], stdout=subprocess.PIPE, text=True)
    path = other.stdout.readline().strip()
    assert clear_debris(store) == 0
    assert os.path.exists(f"{path}/half")
    other.kill()
    other.wait()
    assert clear_debris(store) == 1
    assert not os.path.exists(path)


def test_trees_without_permissions_can_be_removed(tmp_path):
    deep = tmp_path / "a" / "work"
    deep.mkdir(parents=True)
    (deep / "f").write_text("x")
    deep.chmod(0)
    remove_tree(str(tmp_path / "a"))
    assert not (tmp_path / "a").exists()
    remove_tree(str(tmp_path / "a"))


def test_trees_deeper_than_the_stack_can_be_removed(tmp_path):
    path = str(tmp_path / "a")
    os.mkdir(path)
    directory = os.open(path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=directory)
        below = os.open("d", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(directory)
    remove_tree(path)
    assert not os.path.exists(path)


def test_a_lock_keeps_others_waiting(store):
    code = (
        "import sys\nfrom envforge.store.layout import Store\nfrom envforge.store import locks\n"
        "with locks.holding(Store(sys.argv[1]), 'k'):\n"
        "    print('in', flush=True)\n"
    )
    with locks.holding(store, "k"):
        other = subprocess.Popen([sys.executable, "-c", code, store.path], stdout=subprocess.PIPE, text=True)
        wait_until(lambda: lock_is_awaited(f"{store.path}/locks/k"))
        assert other.poll() is None
    assert other.communicate()[0] == "in\n"


def test_records_are_whole_and_versioned(store):
    records.write(store, store.record("a" * 64), {"key": "k"})
    assert records.read(store.record("a" * 64)) == {"format": 1, "key": "k"}
    assert records.read(store.record("b" * 64)) is None
    with open(store.record("a" * 64), "w") as file:
        file.write('{"format": 7}')
    with pytest.raises(StoreError):
        records.read(store.record("a" * 64))


def test_hard_links_and_whiteouts_are_seen(tmp_path):
    root = tmp_path / "t"
    root.mkdir()
    (root / "b").write_text("same")
    os.link(root / "b", root / "a")
    os.symlink("b", root / "l")
    entries = {entry.path: entry for entry in scan(str(root))}
    assert entries[b"/b"].link == b"/a"
    assert entries[b"/a"].link == b""
    assert entries[b"/l"] == Entry(
        b"/l", "l", 0o777, os.getuid(), os.getgid(), entries[b"/l"].mtime, content=b"b"
    )


@pytest.mark.parametrize("name", ["", "../../x", "a" * 63, "A" * 64, "a" * 63 + "\n", None])
def test_what_is_no_digest_never_becomes_a_path(tmp_path, name):
    store = open_store(str(tmp_path / "store"))
    for where in (store.blob, store.facts, store.record, store.environment, store.environment_lock):
        with pytest.raises(StoreError, match="stands where a SHA-256 must"):
            where(name)
    for where in (store.tree, store.layer):
        with pytest.raises(StoreError, match="stands where a SHA-256 must"):
            where("flat", name)


def test_a_blob_is_hashed_before_it_is_used(tmp_path):
    store = open_store(str(tmp_path / "store"))
    sha256 = blobs.put(store, b"right")
    with blobs.opened(store, sha256) as descriptor:
        assert os.read(descriptor, 9) == b"right"
    assert not blobs.set_aside(store, sha256)
    os.chmod(store.blob(sha256), 0o600)
    with open(store.blob(sha256), "r+b") as file:
        file.write(b"wrong")
    with pytest.raises(IntegrityError, match=sha256) as caught, blobs.opened(store, sha256):
        pytest.fail("was given out")
    assert "again" in caught.value.hint
    assert not blobs.has(store, sha256)
    assert len(os.listdir(f"{store.path}/trash")) == 1
    with pytest.raises(FileNotFoundError):
        blobs.read(store, sha256)
    assert blobs.put(store, b"right") == sha256
    assert blobs.read(store, sha256) == b"right"


def test_a_blob_that_is_no_file_is_not_opened(tmp_path):
    store = open_store(str(tmp_path / "store"))
    sha256 = blobs.put(store, b"right")
    os.unlink(store.blob(sha256))
    os.mkfifo(store.blob(sha256))
    with pytest.raises(IntegrityError, match="no file"):
        blobs.read(store, sha256)
    os.symlink("/etc/passwd", store.blob(sha256))
    assert not blobs.has(store, sha256)
    with pytest.raises(IntegrityError, match="no file"):
        blobs.read(store, sha256)
    assert not os.path.lexists(store.blob(sha256))


AT_ONCE = """
import os, sys
from envforge.store.layout import open_store
for number in range(40):
    path, ready, pids = f"{sys.argv[1]}/store{number}", os.pipe(), []
    for _ in range(8):
        pid = os.fork()
        if pid == 0:
            os.close(ready[1])
            os.read(ready[0], 1)  # until all begin
            try:
                open_store(path)
            finally:
                os._exit(0 if sys.exc_info()[0] is None else 1)
        pids.append(pid)
    os.close(ready[1])
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    os.close(ready[0])
    assert codes == [0] * 8, (number, codes)
"""
"""A program of its own: it is small, and 320 forks of the tests' own process take long."""


def test_many_open_a_new_store_at_once(tmp_path):
    """Who finds another one at work on the file of the format does not take it for a directory of others."""
    subprocess.run([sys.executable, "-c", AT_ONCE, str(tmp_path)], check=True)
