"""What the warm path understands, and what it gives to the whole command line."""

import marshal
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from envforge import hot
from envforge.api import stores
from envforge.sandbox import cache, inherited


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("run true", ["true"]),
        ("run -- true", ["true"]),
        ("run -it --rm -- bash -l", ["bash", "-l"]),
        ("run ls -l -- x", ["ls", "-l", "--", "x"]),
        ("shell", []),
        ("shell -- make test", ["make", "test"]),
        ("shell make -j2", ["make", "-j2"]),
        ("shell --locked", []),
        ("-q --verbose --store /s -f x.toml run true", ["true"]),
        ("run --store /s --file=x.toml true", ["true"]),
        ("run -v /a:/b -u root --env-file x -itw /tmp -eA=1 true", ["true"]),
        ("run -e -x true", ["true"]),
        ("--progress plain run --progress=none true", ["true"]),
    ],
)
def test_command_lines_that_are_understood(words, command):
    assert hot.parse(words.split()).command == command


@pytest.mark.parametrize(
    "words",
    [
        "",
        "run",
        "run --",
        "build",
        "--version",
        "run --help",
        "run -h",
        "run --allow true",
        "shell -i",
        "shell --env A=1",
        "run -e",
        "run --locked=yes true",
        "run -w relative true",
        "--json run true",
        "-- run true",
        "-qx run true",
        "run --name x true",
        "run - true",
        "run --progress json true",
        "run --progress x true",
        "run -f x true",
        "-f",
        "--store",
        "--store= run true",
    ],
)
def test_everything_else_is_for_the_whole_command_line(words):
    assert hot.parse(words.split()) is None


def test_options_of_run():
    words = [
        "--store",
        "/s",
        "run",
        "-e",
        "A=1",
        "-eB",
        "-w",
        "/x",
        "-w/tmp",
        "--user=root",
        "-v",
        "/:/x",
        "true",
    ]
    request = hot.parse(words)
    assert (request.store, request.variables, request.workdir) == ("/s", ["A=1", "B"], "/tmp")
    assert (request.user, request.volumes) == ("root", ["/:/x"])


def test_a_wrong_option_is_for_the_whole_command_line_too():
    for words in (
        ["-e", " A=1"],
        ["-e", "=1"],
        ["-v", "x"],
        ["-v", "/nowhere:/x"],
        ["--env-file", "/nowhere"],
    ):
        assert hot._options(hot.parse(["run", *words, "true"])) is None


@pytest.fixture
def project(tmp_path, empty_home):
    del empty_home
    spec, lock = tmp_path / "envforge.toml", tmp_path / "envforge.lock"
    cache.make_secret()
    spec.write_text("a")
    lock.write_text("b")
    return str(spec), str(lock)


def test_the_key_follows_every_input(project, tmp_path, monkeypatch):
    spec, lock = project
    keys = [cache.project_key(spec, lock, None), cache.project_key(spec, lock, "/other")]
    (tmp_path / "envforge.toml").write_text("ab")
    (tmp_path / "envforge.lock").write_text("")
    keys.append(cache.project_key(spec, lock, None))
    monkeypatch.setenv("XDG_DATA_HOME", "/elsewhere")
    keys.append(cache.project_key(spec, lock, None))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "envforge").mkdir()
    (tmp_path / "envforge" / "config.toml").write_text('store = "/third"\n')
    keys.append(cache.project_key(spec, lock, None))
    keys.append(cache.project_key(spec, lock, None, (), "db"))
    assert len(set(keys)) == 6
    assert cache.project_key(spec, lock, None, (), "default") == cache.project_key(spec, lock, None)
    os.unlink(lock)
    assert cache.project_key(spec, lock, None) is None


@pytest.mark.parametrize(
    ("config", "store"),
    [
        ('store = "/x"', "/x"),
        ('  store="/x y"  ', "/x y"),
        ('workers = 2\nstore = "~/x"', "HOME/x"),
        ("store = '/x'", None),
        ('store = "a\\\\b"', None),
        ('store = """/x"""', None),
        ('"store" = "/x"', "/x"),
        ("workers = 2", "HOME/.local/share/envforge"),
    ],
)
def test_the_configured_store_is_only_read_where_it_is_plain(config, store, empty_home):
    expected = store and store.replace("HOME", empty_home)
    assert cache._configured_store(config.encode()) == expected
    os.makedirs(f"{empty_home}/.config/envforge")
    with open(f"{empty_home}/.config/envforge/config.toml", "w", encoding="utf-8") as file:
        file.write(config)
    if expected:
        assert stores.path() == os.path.realpath(expected), "warm and cold take the same store"


@pytest.mark.usefixtures("empty_home")
def test_a_plan_is_kept_until_a_watched_file_changes(tmp_path):
    watched = tmp_path / "file"
    watched.write_text("1")
    cache.store_plan("k", {"a": (1, b"2", None)}, cache.watch([str(watched)]))
    assert cache.load_plan("k") == {"a": (1, b"2", None)}
    assert cache.load_plan("other") is None
    watched.write_text("12")
    assert cache.load_plan("k") is None
    watched.unlink()
    assert cache.load_plan("k") is None


@pytest.mark.usefixtures("empty_home")
def test_plans_in_a_place_that_others_can_write_to_are_not_believed():
    cache.store_plan("k", {}, ())
    assert cache.load_plan("k") == {}
    os.chmod(cache.directory(), 0o770)
    assert cache.load_plan("k") is None
    cache.store_plan("k", {}, ())
    assert os.stat(cache.directory()).st_mode & 0o777 == 0o700
    assert cache.load_plan("k") == {}


@pytest.mark.usefixtures("empty_home")
def test_a_forged_plan_is_no_plan():
    cache.store_plan("k", {"a": 1}, ())
    with open(f"{cache.directory()}/k", "rb") as file:
        data = file.read()
    forgeries = {
        "changed": data[:32] + marshal.dumps(({"a": 2}, ())),
        "as without a MAC": marshal.dumps(({"a": 1}, ())),
        "cut": data[:40],
    }
    for what, forged in forgeries.items():
        with open(f"{cache.directory()}/k", "wb") as file:
            file.write(forged)
        assert cache.load_plan("k") is None, what
    with open(f"{cache.directory()}/other", "wb") as file:
        file.write(data)
    assert cache.load_plan("other") is None, "another plan's"


@pytest.mark.usefixtures("empty_home")
def test_plans_are_not_believed_with_a_key_that_others_could_read():
    cache.store_plan("k", {}, ())
    key = os.path.join(os.path.dirname(cache.directory()), "key")
    os.chmod(key, 0o640)
    assert cache.load_plan("k") is None
    old = cache._read(key)
    cache.store_plan("k", {}, ())
    assert cache.load_plan("k") == {}
    assert cache._read(key) != old


def test_the_name_of_a_plan_takes_the_key(project):
    spec, lock = project
    first = cache.project_key(spec, lock, None)
    os.unlink(os.path.join(os.path.dirname(cache.directory()), "key"))
    assert cache.project_key(spec, lock, None) is None
    cache.make_secret()
    assert cache.project_key(spec, lock, None) != first


@pytest.mark.usefixtures("empty_home")
def test_plans_that_were_not_used_for_long_go(monkeypatch):
    monkeypatch.setattr(cache, "KEPT_MAX", 3)
    for number in range(5):
        cache.store_plan(f"k{number}", {}, ())
        os.utime(f"{cache.directory()}/k{number}", (number, number))
    assert sorted(os.listdir(cache.directory())) == ["k2", "k3", "k4"]


@pytest.mark.parametrize("damage", [b"", b"x", b"[", b"\xff" * 40])
@pytest.mark.usefixtures("empty_home")
def test_a_damaged_plan_is_no_plan(damage):
    cache.store_plan("k", {}, ())
    with open(f"{cache.directory()}/k", "wb") as file:
        file.write(damage)
    assert cache.load_plan("k") is None


@pytest.mark.parametrize(
    ("name", "pattern", "matches"),
    [
        ("A", "A", True),
        ("AB", "A", False),
        ("AB", "A*", True),
        ("A", "A*", True),
        ("BA", "A*", False),
        ("X_END", "*_END", True),
        ("A_B_C", "A*B*C", True),
        ("A_C_B", "A*B*C", False),
        ("AA", "A*A", True),
        ("A", "A*A", False),
        ("anything", "*", True),
        ("AWS_X", "AWS_?", True),
        ("AWS_", "AWS_?", False),
        ("AWS_XY", "AWS_?", False),
        ("AWS_XY", "AWS_?*", True),
        ("A_XYZ_B", "A_*?_B", True),
        ("A__B", "A_*?_B", False),
        ("AABAB", "A*AB", True),
        ("", "A", False),
        ("AWS_1", "AWS_?", True),
        ("AWS_12", "AWS_?", False),
        ("AXBYB", "A?B*B", True),
        ("", "?", False),
    ],
)
def test_patterns_of_variables(name, pattern, matches):
    assert inherited.is_passed(name, [pattern]) is matches


def test_where_one_starts(tmp_path, monkeypatch):
    inside, outside = tmp_path / "p" / "sub", tmp_path / "q"
    inside.mkdir(parents=True)
    outside.mkdir()
    project = str(tmp_path / "p")
    plan = {
        "follow": True,
        "cwd": project,
        "mounts": ((project, project, False, False), ("/q", "/x", False, False)),
    }
    monkeypatch.chdir(inside)
    assert inherited.start_directory(plan) == str(inside)
    assert inherited.start_directory(plan | {"follow": False}) == project
    monkeypatch.chdir(outside)
    assert inherited.start_directory(plan) == project


def test_no_color_is_passed():
    assert inherited.is_passed("NO_COLOR", [])


@pytest.mark.parametrize("before", [None, b"", b"short"])
def test_all_who_make_the_key_at_once_have_the_same(tmp_path, monkeypatch, before):
    for number in range(20):
        state = tmp_path / f"{number}"
        (state / "envforge").mkdir(parents=True, mode=0o700)
        if before is not None:
            (state / "envforge" / "key").write_bytes(before)
        monkeypatch.setenv("XDG_STATE_HOME", str(state))
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(_make_key, [threading.Barrier(8)] * 8))
        assert keys == {(state / "envforge" / "key").read_bytes()}


def _make_key(start):
    start.wait()
    return cache.make_secret()
