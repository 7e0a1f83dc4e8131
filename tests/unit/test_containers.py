"""Containers' records, names, log and restarts, one piece at a time."""

import json
import os
import resource
import signal
from pathlib import Path

import pytest

from envforge.containers import making, names, plain_json, records, removing
from envforge.containers.output import attaching, logs
from envforge.containers.supervisor import frames, log_file
from envforge.containers.supervisor.log_file import LogFile
from envforge.containers.supervisor.policy import Restarts
from envforge.errors import AmbiguousError, ConflictError, InUseError, NotFoundError, StoreError, UsageError
from envforge.store.layout import open_store
from envforge.upkeep import roots

GOLDEN = Path(__file__).parents[1] / "golden" / "containers"
PLAN = {
    "project": "/p/envforge.toml",
    "label": "shop",
    "environment": "default",
    "lock": f"/s/environments/{'e' * 64}.lock",
    "network": "host",
    "limits": {"asked": (), "memory": 0},
}


@pytest.fixture
def store(tmp_path, monkeypatch) -> str:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("containers/names", "uppers", "trash"):
        (tmp_path / "store" / name).mkdir(parents=True)
    return str(tmp_path / "store")


def made(store: str, name: str | None = None) -> records.Container:
    return making.create(store, PLAN, making.config_of(PLAN, ["true"], {"A": "b"}, "/"), name)


def test_the_records_are_as_frozen(store):
    container = made(store, "web")
    fixed = {**container.config, "id": "0123456789ab", "created": 1}
    assert plain_json.dumps(fixed) + "\n" == (GOLDEN / "container.json").read_text()
    assert plain_json.dumps(records.fresh_state()) + "\n" == (GOLDEN / "state.json").read_text()
    assert sorted(os.listdir(container.directory)) == ["container.json", "plan", "state.json"]
    assert {
        os.stat(f"{container.directory}/{name}").st_mode & 0o777 for name in os.listdir(container.directory)
    } == {0o600}
    assert os.stat(container.directory).st_mode & 0o777 == 0o700


def test_json_is_what_the_module_writes_and_reads():
    value = {"a": [1, 2.5, None, True, False, 'ü\n\x1b"\\\udc80'], "b": {}, "c": [], "d": {"e": [[1]]}}
    assert plain_json.dumps(value) == json.dumps(value)
    assert plain_json.loads(json.dumps(value, indent=2)) == value
    for text in ("", "{", "1 2", '{"a":}', "[1,]"):
        with pytest.raises(ValueError):  # noqa: PT011  # the words are json's
            plain_json.loads(text)


def test_containers_are_found_in_dockers_order(store):
    first, second = made(store, "web"), made(store, "db")
    assert records.resolve(store, "web") == records.resolve(store, first.id) == first.id
    assert records.resolve(store, second.id[:11]) == second.id
    os.rename(second.directory, records.directory_of(store, f"{first.id[:6]}{'0' * 6}"))
    with pytest.raises(AmbiguousError):
        records.resolve(store, first.id[:3])
    for named in ("", "nothing", "../names", "names/web", ".", "..", "db"):
        with pytest.raises(NotFoundError):
            records.resolve(store, named)


def test_a_name_whose_container_is_gone_is_free(store):
    gone = made(store, "web")
    os.rename(gone.directory, f"{store}/trash/x")
    again = made(store, "web")
    with pytest.raises(ConflictError):
        made(store, "web")
    assert records.resolve(store, "web") == again.id
    assert records.identifiers(store) == [again.id]
    names.release(store, "web", gone.id)
    assert records.resolve(store, "web") == again.id, "it is not the other's to give up"


@pytest.mark.parametrize("name", ["", "-a", ".a", "_a", "a/b", "a b", "ä", "a\0", "a\n", "x" * 129, ".."])
def test_odd_names_are_refused(store, name):
    with pytest.raises(UsageError):
        made(store, name)
    assert records.identifiers(store) == []


def test_records_that_cannot_be_read_are_told(store):
    container = made(store, "web")
    for text in ("", "{}", '{"format": 2}', "[]", "\xff"):
        Path(f"{container.directory}/container.json").write_text(text, encoding="latin-1")
        with pytest.raises(StoreError):
            records.read(store, container.id)
    assert records.read_all(store) == []


def test_one_holds_the_lock(store):
    container = made(store)
    held = records.lock(container.directory)
    with pytest.raises(InUseError):
        records.lock(container.directory, patience_s=0.05)
    os.close(held)
    os.close(records.lock(container.directory))


def entries(directory: Path) -> list[tuple[str, bytes, bool]]:
    container = records.Container(str(directory.parent.parent), directory.name, {}, {})
    return [(one.stream, one.text, one.is_whole) for one in logs.entries(container)]


@pytest.fixture
def directory(tmp_path) -> Path:
    path = tmp_path / "containers" / "0123456789ab"
    path.mkdir(parents=True)
    return path


def test_lines_are_written_as_they_end(directory):
    log = LogFile(str(directory))
    log.write("stdout", b"one\ntw")
    log.write("stderr", b"err\n")
    log.write("stdout", b"o\n\nrest")
    log.finish()
    assert entries(directory) == [
        ("stdout", b"one", True),
        ("stderr", b"err", True),
        ("stdout", b"two", True),
        ("stdout", b"", True),
        ("stdout", b"rest", False),
    ]


def test_nothing_written_makes_a_line_of_another_time_or_stream(directory):
    log = LogFile(str(directory))
    forged = b"2000-01-01T00:00:00.000000000Z stderr F forged"
    log.write("stdout", b"\n" + forged + b"\r" + forged + b"\x1b[2K\0\xff\n")
    log.finish()
    assert [(one[0], one[1][:4]) for one in entries(directory)] == [("stdout", b""), ("stdout", b"2000")]


@pytest.mark.parametrize("pieces", [1, 7])
def test_huge_lines_are_written_in_parts_and_come_out_whole(directory, pieces):
    log = LogFile(str(directory))
    text = os.urandom(100_000).replace(b"\n", b"x") + b"\nend\n"
    step = len(text) // pieces + 1
    for start in range(0, len(text), step):
        log.write("stdout", text[start : start + step])
    found = entries(directory)
    assert b"".join(one[1] + (b"\n" if one[2] else b"") for one in found) == text
    assert max(len(one[1]) for one in found) == log_file.LINE_MAX_BYTES
    assert os.path.getsize(directory / "log") < 102_000


def test_three_files_are_kept(directory):
    log = LogFile(str(directory), max_bytes=10_000)
    for number in range(2000):
        log.write("stdout", f"line {number}\n".encode())
    assert sorted(os.listdir(directory)) == ["log", "log.1", "log.2"]
    assert all(os.path.getsize(directory / name) <= 10_000 for name in os.listdir(directory))
    numbers = [int(one[1].split()[1]) for one in entries(directory)]
    assert numbers == list(range(numbers[0], 2000))


def test_a_log_goes_on_where_it_was(directory):
    LogFile(str(directory), max_bytes=400).write("stdout", b"x\n" * 5)
    LogFile(str(directory), max_bytes=400).write("stdout", b"y\n" * 6)
    assert sorted(os.listdir(directory)) == ["log", "log.1"]


def test_what_a_full_disk_swallowed_is_counted(directory):
    """A limit of the file's size stands in for the disk's: the write is cut, the next ones fail."""
    log = LogFile(str(directory))
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    log.write("stdout", b"kept\n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(directory / "log") + 10, limits[1]))
    try:
        for number in range(5):
            log.write("stdout", f"lost {number}\n".encode())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    log.write("stdout", b"kept again\n")
    kept, told, again = entries(directory)
    assert (kept[1], again[1]) == (b"kept", b"kept again")
    assert told[0] == "stderr"
    assert told[1].startswith(b"envforge: 5 lines (")


def test_the_last_lines_and_those_since_a_time(directory):
    log = LogFile(str(directory))
    container = records.Container(str(directory.parent.parent), directory.name, {}, {})
    log.write("stdout", b"a\nb\n" + b"c" * 20_000 + b"\n")

    def texts(**asked):
        return [one.text[:1] for one in logs.entries(container, **asked)]

    assert texts(last=2) == [b"b", b"c", b"c"], "a line in parts is one line"
    assert texts(last=0) == []
    assert texts(last=9) == texts() == [b"a", b"b", b"c", b"c"]
    assert texts(since="9999") == []
    assert texts(since="2000") == texts()


def test_delays_double_until_it_ran_well():
    restarts = Restarts({"policy": "always", "retries": 0})
    assert [restarts.delay_s(0, 0.1) for _ in range(12)] == [
        *(0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60)
    ]
    assert restarts.delay_s(0, 10) == 0.1
    assert restarts.delay_s(0, 0) == 0.2


@pytest.mark.parametrize(
    ("policy", "retries", "code", "delays"),
    [
        ("no", 0, 1, [None]),
        ("on-failure", 0, 0, [None]),
        ("on-failure", 2, 1, [0.1, 0.2, None]),
        ("unless-stopped", 0, 0, [0.1, 0.2]),
    ],
)
def test_policies_are_dockers(policy, retries, code, delays):
    restarts = Restarts({"policy": policy, "retries": retries})
    assert [restarts.delay_s(code, 0) for _ in delays] == delays


@pytest.mark.parametrize(
    ("typed", "going", "is_detached"),
    [
        ([b"abc"], b"abc", False),
        ([b"a\x10\x11b"], b"a", True),
        ([b"\x10", b"\x11"], b"", True),
        ([b"\x10", b"x"], b"\x10x", False),
        ([b"\x10\x10\x11"], b"\x10", True),
        ([b"\x11\x10"], b"\x11", False),
    ],
)
def test_two_keys_detach_and_nothing_is_lost(typed, going, is_detached):
    keys = attaching.Keys()
    assert b"".join(keys.take(one) for one in typed) == going
    assert keys.is_detached is is_detached


def test_frames_come_whole_however_they_are_cut():
    sent = b"".join(frames.frame(b"o", bytes([number]) * number) for number in range(100))
    taker = frames.Frames()
    found = [one for start in range(0, len(sent), 7) for one in taker.take(sent[start : start + 7])]
    assert found == [(b"o", bytes([number]) * number) for number in range(100)]
    with pytest.raises(ValueError, match="4294967295"):
        frames.Frames().take(b"o\xff\xff\xff\xff")


def test_a_container_keeps_its_environment_until_it_is_removed(store):
    opened = open_store(store)
    container = made(store, "web")
    (root,) = roots.recorded(opened)
    assert (root.cause, root.name, root.keeps) == ("container", "web", ("e" * 64,))
    assert not root.can_be_dropped
    removing.remove_locked(container)
    assert roots.recorded(opened) == ()
    assert os.listdir(f"{store}/containers/names") == []
