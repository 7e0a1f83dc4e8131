"""Fetching: what is right arrives, what is wrong does not, and the next address is tried."""

import hashlib
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import web

from envforge.errors import IntegrityError, NetworkError
from envforge.store.layout import open_store
from envforge.transfer.http import Fetcher, FileMissingError
from envforge.transfer.network import host_proxies, trusted_file

DATA = os.urandom(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def server(tmp_path):
    directory = tmp_path / "web"
    directory.mkdir()
    (directory / "file").write_bytes(DATA)
    with web.serving(directory) as running:
        yield running


@pytest.fixture
def fetcher():
    with Fetcher(timeout_s=5) as made:
        yield made


def fetch(fetcher, store, *urls, progress=None):
    return fetcher.fetch_blob(store, urls, sha256=SHA256, size=len(DATA), progress=progress)


def staged(store):
    return os.listdir(f"{store.path}/staging")


def test_a_blob_arrives_and_progress_adds_up(fetcher, store, server):
    counts = []
    path = fetch(fetcher, store, f"{server.url}/file", progress=counts.append)
    with open(path, "rb") as file:
        assert file.read() == DATA
    assert sum(counts) == len(DATA)
    assert not staged(store)


def test_what_is_in_the_store_is_not_fetched_again(fetcher, store, server):
    fetch(fetcher, store, f"{server.url}/file")
    fetch(fetcher, store, f"{server.url}/file")
    assert server.asked["/file"] == 1


def test_connections_are_kept(fetcher, server):
    for _ in range(5):
        fetcher.fetch_small([f"{server.url}/file"], limit=1 << 20)
    assert server.connections == 1


def test_a_kept_connection_that_was_closed_is_replaced(tmp_path):
    directory = tmp_path / "web"
    directory.mkdir()
    (directory / "file").write_bytes(DATA)
    with Fetcher(timeout_s=5) as fetcher, web.serving(directory) as server:
        port = server.server_port
        fetcher.fetch_small([f"{server.url}/file"], limit=1 << 20)
        for connections in fetcher._pool._idle.values():
            connections[0].sock.shutdown(socket.SHUT_RDWR)
        assert fetcher.fetch_small([f"http://127.0.0.1:{port}/file"], limit=1 << 20).data == DATA


@pytest.mark.parametrize("fault", ["wrong bytes", "too long", "too short"])
def test_wrong_bytes_are_refused_and_leave_nothing(fetcher, store, server, fault):
    server.faults["/file"] = fault
    counts = []
    with pytest.raises(IntegrityError):
        fetch(fetcher, store, f"{server.url}/file", progress=counts.append)
    assert not os.path.exists(store.blob(SHA256))
    assert not staged(store)
    assert sum(counts) == 0


def test_a_mirror_that_stops_in_the_middle(fetcher, store, server):
    server.faults["/file"] = "stops"
    with pytest.raises(NetworkError, match="stopped in the middle"):
        fetch(fetcher, store, f"{server.url}/file")
    assert not staged(store)


@pytest.mark.parametrize("fault", ["once stops", "once 503"])
def test_a_passing_failure_is_tried_again(fetcher, store, server, fault):
    server.faults["/file"] = fault
    fetch(fetcher, store, f"{server.url}/file")
    assert server.asked["/file"] == 2


@pytest.mark.parametrize("fault", ["404", "500", "403", "stops", "wrong bytes"])
def test_the_next_address_is_tried(fetcher, store, server, fault):
    (server.directory / "other").write_bytes(DATA)
    server.faults["/file"] = fault
    fetch(fetcher, store, f"{server.url}/file", f"{server.url}/other")


def test_a_file_that_nobody_has(fetcher, store, server):
    with pytest.raises(FileMissingError, match="404"):
        fetch(fetcher, store, f"{server.url}/no", f"{server.url}/neither")


def test_nobody_listens(fetcher, store):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(NetworkError, match="refused"):
            fetch(fetcher, store, f"http://127.0.0.1:{port}/file")


def test_a_mirror_that_trickles_is_left_for_the_next_one(store, server):
    """It is never silent for longer than the time limit, and would take minutes."""
    (server.directory / "other").write_bytes(DATA)
    server.faults["/file"] = "trickles"
    with Fetcher(timeout_s=0.5) as fetcher:
        with pytest.raises(NetworkError, match="too slow"):
            fetch(fetcher, store, f"{server.url}/file")
        with pytest.raises(NetworkError, match="too slow"):
            fetcher.fetch_small([f"{server.url}/file"], limit=1 << 20)
        fetch(fetcher, store, f"{server.url}/file", f"{server.url}/other")
    assert not staged(store)


def test_a_head_that_never_ends_is_not_waited_for(store, server):
    (server.directory / "other").write_bytes(DATA)
    server.faults["/file"] = "has no end of head"
    with Fetcher(timeout_s=0.5) as fetcher:
        with pytest.raises(NetworkError, match="no answer in time"):
            fetch(fetcher, store, f"{server.url}/file")
        fetch(fetcher, store, f"{server.url}/file", f"{server.url}/other")
    assert server.asked["/other"] == 1


def test_a_silent_mirror_is_given_up(store):
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Fetcher(timeout_s=0.2) as fetcher,
        pytest.raises(NetworkError, match="no answer in time"),
    ):
        fetch(fetcher, store, f"http://127.0.0.1:{silent.getsockname()[1]}/file")


def test_redirections(fetcher, store, server):
    server.faults["/a"] = "to /b"
    server.faults["/b"] = f"to {server.url}/file"
    fetch(fetcher, store, f"{server.url}/a")


def test_redirections_without_end(fetcher, store, server):
    server.faults["/a"] = "to /a"
    with pytest.raises(NetworkError, match="too many"):
        fetch(fetcher, store, f"{server.url}/a")


def test_a_redirection_to_a_local_file_is_refused(fetcher, store, server):
    server.faults["/a"] = "to file:///etc/hostname"
    with pytest.raises(NetworkError, match="redirects to file"):
        fetch(fetcher, store, f"{server.url}/a")


def test_local_files(fetcher, store, server):
    fetch(fetcher, store, f"file://{server.directory}/no", f"file://{server.directory}/file")


@pytest.mark.parametrize("url", ["ftp://example.org/file", "http://", "http://a:b/c", "nonsense"])
def test_addresses_that_cannot_be_fetched(fetcher, store, url):
    with pytest.raises(NetworkError):
        fetch(fetcher, store, url)


def test_small_files_have_a_limit(fetcher, server):
    with pytest.raises(IntegrityError):
        fetcher.fetch_small([f"{server.url}/file"], limit=1000)


def test_an_unchanged_file_is_not_sent_again(fetcher, server):
    server.validators = True
    first = fetcher.fetch_small([f"{server.url}/file"], limit=1 << 20)
    again = fetcher.fetch_small([f"{server.url}/file"], limit=1 << 20, validators=first.validators)
    assert first.data == DATA
    assert again.unchanged
    assert again.data == b""
    assert server.connections == 1


def test_a_proxy_is_given_the_whole_address_and_its_password(server):
    (server.directory / "x").write_bytes(b"from afar")
    proxy = server.url.replace("http://", "http://me:a%20b@")
    with Fetcher(proxies={"http": proxy, "no": "localhost,.example.org"}) as fetcher:
        # The server takes an absolute address for its own, so only its own name works here.
        assert fetcher.fetch_small([f"{server.url}/x"], limit=100).data == b"from afar"
        assert server.headers[-1]["Proxy-Authorization"] == "Basic bWU6YSBi"


def test_hosts_without_a_proxy(server):
    with Fetcher(proxies={"http": "http://127.0.0.1:9", "no": "localhost, 127.0.0.1"}) as fetcher:
        assert fetcher.fetch_small([f"{server.url}/file"], limit=1 << 20).data == DATA


def test_many_threads_share_the_fetcher(fetcher, server):
    with ThreadPoolExecutor(16) as threads:
        answers = threads.map(
            lambda _: fetcher.fetch_small([f"{server.url}/file"], limit=1 << 20).data, range(64)
        )
        assert all(answer == DATA for answer in answers)
    assert server.connections <= 6


def test_which_proxies_count():
    apt = {"http": "http://apt:1", "https": "http://apt:1"}
    assert host_proxies({}, apt) == {**apt, "no": ""}
    assert host_proxies({"https_proxy": "http://env:2", "NO_PROXY": "a"}, apt) == {
        "http": "http://apt:1",
        "https": "http://env:2",
        "no": "a",
    }
    assert host_proxies({"HTTP_PROXY": "http://evil:1", "REQUEST_METHOD": "GET"}, {})["http"] == ""


def test_which_certificates_count(tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    assert trusted_file({"CURL_CA_BUNDLE": str(bundle)}, "") == str(bundle)
    assert trusted_file({"CURL_CA_BUNDLE": str(bundle), "SSL_CERT_FILE": "/x"}, "") == ""
    assert trusted_file({"SSL_CERT_FILE": "/x"}, "/mine.pem") == "/mine.pem"


def test_a_password_is_sent_and_never_shown(fetcher, store, server):
    address = server.url.replace("http://", "http://me:secret@")
    fetch(fetcher, store, f"{address}/file")
    assert server.headers[-1]["Authorization"] == "Basic bWU6c2VjcmV0"
    assert "me" not in server.headers[-1]["Host"]
    with pytest.raises(NetworkError) as caught:
        fetcher.fetch_small([f"{address}/none"], limit=10)
    assert "secret" not in caught.value.message


def test_a_password_stays_with_its_host(fetcher, store, server):
    (server.directory / "here").write_bytes(DATA)
    server.faults["/a"] = "to /here"
    fetcher.fetch_small([f"{server.url.replace('http://', 'http://me:x@')}/a"], limit=1 << 20)
    assert "Authorization" in server.headers[-1]
    with web.serving(server.directory) as other:
        server.faults["/b"] = f"to {other.url}/file"
        fetch(fetcher, store, f"{server.url.replace('http://', 'http://me:x@')}/b")
        assert "Authorization" not in other.headers[-1]


def test_the_first_failure_ends_all():
    with socket.create_server(("127.0.0.1", 0)) as silent, Fetcher(timeout_s=60) as fetcher:
        port = silent.getsockname()[1]
        urls = [f"http://127.0.0.1:{port}/silent", "http://127.0.0.1:9/refused"]
        started = time.monotonic()
        with pytest.raises(NetworkError):
            fetcher.all_at_once(lambda url: fetcher.fetch_small([url], limit=1), list(reversed(urls)))
        assert time.monotonic() - started < 10


def test_what_was_closed_stays_closed(server):
    fetcher = Fetcher(timeout_s=5)
    assert fetcher.all_at_once(lambda url: fetcher.fetch_small([url], limit=1 << 20), [f"{server.url}/file"])
    with pytest.raises(NetworkError):
        fetcher.all_at_once(lambda url: fetcher.fetch_small([url], limit=1), [f"{server.url}/none"])
    assert fetcher.fetch_small([f"{server.url}/file"], limit=1 << 20).data == DATA
    with pytest.raises(NetworkError):
        fetcher.all_at_once(lambda _: fetcher.close() or fetcher.fetch_small([server.url], limit=1), [1])
    with pytest.raises(NetworkError, match="given up"):
        fetcher.fetch_small([f"{server.url}/file"], limit=1 << 20)
