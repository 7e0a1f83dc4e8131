"""A transfer that broke off goes on from where it was, and never mixes two files."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import web

from envforge.errors import IntegrityError, NetworkError
from envforge.store import partial
from envforge.store.layout import open_store
from envforge.transfer.http import Fetcher
from envforge.upkeep.fsck import loose

DATA = os.urandom(4 << 20)
SHA256 = hashlib.sha256(DATA).hexdigest()
HALF = len(DATA) // 2


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def server(tmp_path):
    directory = tmp_path / "web"
    directory.mkdir()
    (directory / "file").write_bytes(DATA)
    with web.serving(directory) as running:
        running.ranges = running.validators = True
        yield running


@pytest.fixture
def fetcher():
    with Fetcher(timeout_s=5) as made:
        yield made


def known(fetcher, store, server, **options):
    path = fetcher.fetch_blob(store, [f"{server.url}/file"], sha256=SHA256, size=len(DATA), **options)
    with open(path, "rb") as file:
        return file.read()


def unknown(fetcher, store, server, limit=1 << 30, **options):
    sha256, size = fetcher.fetch_unknown(store, f"{server.url}/file", limit=limit, **options)
    with open(store.blob(sha256), "rb") as file:
        data = file.read()
    assert len(data) == size
    return data


def left(store):
    return sorted(os.listdir(f"{store.path}/partial"))


def ranges(server):
    return [headers.get("Range", "") for headers in server.headers]


@pytest.mark.parametrize("fetch", [known, unknown])
def test_one_attempt_goes_on_from_the_other(fetcher, store, server, fetch):
    server.faults["/file"] = "once stops"
    counts = []
    assert fetch(fetcher, store, server, progress=counts.append) == DATA
    assert ranges(server) == ["", f"bytes={HALF}-"]
    assert sum(counts) == len(DATA)
    assert left(store) == []


@pytest.mark.parametrize("fetch", [known, unknown])
def test_a_later_run_goes_on(fetcher, store, server, fetch):
    server.faults["/file"] = "stops"
    with pytest.raises(NetworkError):
        fetch(fetcher, store, server)
    assert left(store)
    server.faults.clear()
    assert fetch(fetcher, store, server) == DATA
    assert ranges(server)[-1] == f"bytes={HALF + HALF // 2}-"
    assert left(store) == []


def test_what_a_killed_process_has_left_is_gone_on_with(fetcher, store, server):
    server.faults["/file"] = "waits in the middle"
    script = (
        "import sys\nfrom envforge.store.layout import open_store\n"
        "from envforge.transfer.http import Fetcher\n"
        "store, url, sha256 = sys.argv[1:]\n"
        f"Fetcher().fetch_blob(open_store(store), [url], sha256=sha256, size={len(DATA)})"
    )
    process = subprocess.Popen([sys.executable, "-c", script, store.path, f"{server.url}/file", SHA256])
    server.halfway.wait(20)
    (path,) = (f"{store.path}/partial/{name}" for name in left(store))
    deadline = time.monotonic() + 10
    while os.path.getsize(path) < HALF and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    server.faults.clear()
    assert known(fetcher, store, server) == DATA
    assert ranges(server)[-1] == f"bytes={HALF}-"


def test_a_server_without_ranges_gives_all_of_it(fetcher, store, server):
    server.ranges = False
    server.faults["/file"] = "once stops"
    assert known(fetcher, store, server) == DATA


def test_another_version_is_fetched_from_the_start(fetcher, store, server):
    server.faults["/file"] = "stops"
    with pytest.raises(NetworkError):
        unknown(fetcher, store, server)
    server.faults.clear()
    other = os.urandom(len(DATA) + 5)
    (server.directory / "file").write_bytes(other)
    assert unknown(fetcher, store, server) == other
    assert left(store) == []


def test_without_a_version_nothing_unknown_is_gone_on_with(fetcher, store, server):
    server.validators = False
    server.faults["/file"] = "once stops"
    assert unknown(fetcher, store, server) == DATA
    assert ranges(server) == ["", ""]


def test_parts_that_do_not_fit_are_forgotten(fetcher, store, server):
    """The part on the disk is of other bytes: all of it comes again, once."""
    with open(f"{store.path}/partial/{SHA256}", "wb") as file:
        file.write(bytes(HALF))
    assert known(fetcher, store, server) == DATA
    assert ranges(server) == [f"bytes={HALF}-", ""]


@pytest.mark.parametrize("there", [len(DATA), len(DATA) + 7])
def test_more_than_there_is(fetcher, store, server, there):
    with open(f"{store.path}/partial/{SHA256}", "wb") as file:
        file.write((DATA + bytes(7))[:there])
    assert known(fetcher, store, server) == DATA
    key = hashlib.sha256(f"{server.url}/file".encode()).hexdigest()
    os.unlink(store.blob(SHA256))
    with open(f"{store.path}/partial/{key}", "wb") as file:
        file.write(DATA)
    tag = f'"{len(DATA)}-{os.stat(server.directory / "file").st_mtime_ns}"'
    with open(f"{store.path}/partial/{key}.of", "w") as file:
        file.write(tag)
    assert unknown(fetcher, store, server) == DATA
    assert left(store) == []


def test_a_range_that_was_not_asked_for(fetcher, store, server):
    server.faults["/file"] = "stops"
    with pytest.raises(NetworkError):
        known(fetcher, store, server)
    server.faults["/file"] = "another range"
    assert known(fetcher, store, server) == DATA


def test_wrong_bytes_leave_nothing(fetcher, store, server):
    server.faults["/file"] = "wrong bytes"
    with pytest.raises(IntegrityError):
        known(fetcher, store, server)
    with pytest.raises(IntegrityError, match="more than"):
        unknown(fetcher, store, server, limit=len(DATA) - 1)
    assert left(store) == []


def test_two_at_once_do_not_disturb_each_other(fetcher, store, server):
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: known(fetcher, store, server), range(4)))
    assert found == [DATA] * 4
    assert left(store) == []


def test_whoever_comes_late_takes_nothing_from_others(store):
    """One publishes, and another begins under the name that it has just given up."""
    names = [SHA256, "0" * 64]
    data = bytes(partial.WORTH_BYTES)

    def arrive(name):
        with partial.arriving(store, name, "", name="a file") as blob:
            blob.restart("")
            for start in range(0, len(data), 1 << 17):
                blob.write(data[start : start + (1 << 17)])
        return blob.sha256

    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(arrive, names * 100))
    assert found == {hashlib.sha256(data).hexdigest()}
    assert left(store) == []


@pytest.mark.time_limit(60)
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/null", path)])
def test_what_is_no_file_is_left_alone(fetcher, store, server, make):
    path = f"{store.path}/partial/{SHA256}"
    make(path)
    before = os.lstat(path)
    if os.path.islink(path):
        with pytest.raises(OSError, match="symbolic"):
            known(fetcher, store, server)
    else:
        assert known(fetcher, store, server) == DATA
    assert os.lstat(path) == before
    [told] = [one for one in loose.check(store) if one.kind == "partial"]
    assert (told.layer, told.problem) == (SHA256, "is no file")


def test_what_is_old_is_swept(store):
    for name in ("old", "new"):
        with open(f"{store.path}/partial/{name}", "wb"):
            pass
    os.utime(f"{store.path}/partial/old", (1, 1))
    partial.sweep(store)
    assert left(store) == ["new"]
