"""What `[[fetch]]` pins, in the lock: it comes back as it was, and nothing else is taken."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from envforge.sources.fetch import tables
from envforge.sources.fetch.model import Fetched, Pin, name_of
from envforge.sources.fetch.source import FetchSource
from envforge.spec.grammar import local_path
from envforge.spec.model import Fetch

HASHES = some.binary(min_size=32, max_size=32).map(bytes.hex)
URLS = some.sampled_from(
    ["https://a.example/x", "https://a.example/y?z=1&b=[2]", "file:vendor/a%20b", "http://b.example:8/"]
)
TARGETS = some.sampled_from(["/", "/opt/tool", "/opt/with space/x", "/usr/share/\u00e9/#"])
PINS = some.builds(Pin, HASHES, some.integers(0, 1 << 40))
ARCHIVES = some.builds(
    Fetched, url=URLS, pin=PINS, target=TARGETS, unpack=some.just(True), strip=some.integers(0, 64)
)
FILES = some.builds(
    Fetched, url=URLS, pin=PINS, target=TARGETS, mode=some.sampled_from([0o644, 0o755, 0o4755, 0])
)
PLACES = some.tuples(some.sampled_from(["default", "db"]), some.sampled_from(["amd64", "arm64"]))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(some.dictionaries(PLACES, some.lists(ARCHIVES | FILES, max_size=4).map(tuple)))
def test_pins_come_back(pins):
    assert tables.pins_of(tables.pins_table(pins)) == pins


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    some.lists(
        some.builds(
            Fetch,
            url=URLS,
            target=TARGETS,
            unpack=some.booleans(),
            strip=some.integers(0, 64),
            mode=some.sampled_from(["", "0600"]),
            sha256=some.just("") | HASHES,
        )
    ).map(tuple)
)
def test_requests_come_back(request):
    assert tables.request_of(tables.request_table(request)) == request


def pinned(url="https://a.example/x", line="unpack strip=1 /opt"):
    return {"files": {url: f"{'0' * 64} 5"}, "environments": {"default": {"amd64": [f"{url} {line}"]}}}


@pytest.mark.parametrize(
    "broken",
    [
        {"files": {}},
        {**pinned(), "more": 1},
        {**pinned(), "files": {}},
        {**pinned(), "files": {"https://a.example/x": "0" * 64}},
        {**pinned(), "files": {"https://a.example/x": f"{'g' * 64} 5"}},
        {**pinned(), "files": {"https://a.example/x": f"{'0' * 64} -5"}},
        {**pinned(), "files": {"https://a.example/x": f"{'0' * 64} {'9' * 20}"}},
        {**pinned(), "files": []},
        {**pinned(), "environments": {"default": {"../x": []}}},
        {**pinned(), "environments": {"default": ["x"]}},
        {**pinned(), "environments": {"default": {"amd64": "x"}}},
        pinned(line="unpack"),
        pinned(line="unpack strip=65 /opt"),
        pinned(line="unpack strip=x /opt"),
        pinned(line="unpack strip=\u0661 /opt"),
        pinned(line="mode=9 /opt"),
        pinned(line="evil=1 /opt"),
        pinned(line="/opt/../etc"),
        pinned(line="/opt\n"),
        pinned(url="ftp://a.example/x"),
        pinned(url="file:a\nb"),
    ],
)
def test_nothing_else_is_taken(broken):
    with pytest.raises((KeyError, TypeError, ValueError)):
        tables.pins_of(broken)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        [{}],
        [{"url": "x", "target": "/opt"}],
        [{"url": "https://a.example/x", "target": "opt"}],
        [{"url": "https://a.example/x", "target": "/opt", "strip": True}],
        [{"url": "https://a.example/x", "target": "/opt", "unpack": 1}],
        [{"url": "https://a.example/x", "target": "/opt", "sha256": "0"}],
        [{"url": "https://a.example/x", "target": "/opt", "mode": 5}],
        [{"url": "https://a.example/x", "target": "/opt", "more": 5}],
    ],
)
def test_no_other_request_is_taken(broken):
    with pytest.raises((KeyError, TypeError, ValueError)):
        tables.request_of(broken)


def test_what_environments_share_is_written_once():
    one = Fetched("https://a.example/x", Pin("0" * 64, 5), "/opt")
    table = tables.pins_table({("default", "amd64"): (one,), ("db", "amd64"): (one,)})
    assert table["files"] == {one.url: f"{'0' * 64} 5"}
    assert table["environments"]["db"] == table["environments"]["default"]


def test_differences_are_told_by_name():
    source = FetchSource()
    first, second = Fetch("https://a.example/x", "/opt"), Fetch("https://a.example/y", "/opt")
    assert source.differences((first,), (first, second)) == ("fetch (+ y)",)
    assert source.differences((first,), (second,)) == ("fetch (+ y, - x)",)
    assert source.differences((first, second), (second, first)) == ("fetch (their order)",)
    assert source.differences((first,), (Fetch("https://a.example/x", "/srv"),)) == ("fetch (x)",)


@pytest.mark.parametrize(
    ("url", "name", "path"),
    [
        ("https://a.example/d/tool.tar.gz?raw=1", "tool.tar.gz", ""),
        ("https://a.example/d/", "d", ""),
        ("https://a.example", "a.example", ""),
        ("file:vendor/a%20b.zip", "a b.zip", "vendor/a b.zip"),
        ("file:/opt/x", "x", "/opt/x"),
        ("file:///opt/x", "x", "/opt/x"),
        ("file:%2e%2e/x", "x", "../x"),
    ],
)
def test_names_and_paths_of_addresses(url, name, path):
    assert (name_of(url), local_path(url)) == (name, path)
