"""Several environments of one project, in every command: `-E` before it and behind it."""

import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import debs
import pytest
import web
from commandline import COMMAND, CommandLine
from small_archive import Archive
from small_system import add_system, new_project, script

pytestmark = [
    pytest.mark.userns,
    pytest.mark.one_plain_user,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]

SPEC = """\
# the shop's
name = "shop"

[debian]
suite = "bookworm"
packages = ["one"]   # first
pockets = []

# what tests need besides
[environments.test]
extends = "default"
variables = { STAGE = "test" }

# a system of its own
[environments.db]
[environments.db.debian]
suite = "bookworm"
pockets = []
packages = [
  "three",  # last
]
"""
FIELDS_OF_LS = {
    "name",
    "environment",
    "created",
    "last_used",
    "size_bytes",
    "unique_bytes",
    "generation",
    "spec",
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Archive, str]]:
    """An archive with a system and three packages, and where it is served."""
    made = Archive(tmp_path_factory.mktemp("archive"))
    add_system(made)
    for name in ("one", "two", "three"):
        member = debs.member(f"./usr/bin/{name}", script(f"echo {name}").encode(), mode=0o755)
        made.add(name, data=[member])
    made.publish()
    with web.serving(made.path) as server:
        yield made, server.url


@pytest.fixture(scope="module")
def whole(archive: tuple[Archive, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A project with three environments, all of them built."""
    line = new_project(tmp_path_factory.mktemp("whole"), archive[1], [])
    (line.directory / "envforge.toml").write_text(SPEC)
    for name in ("default", "test", "db"):
        line.succeed("build", "-E", name)
    yield line
    line.succeed("store", "destroy", "--yes")


@pytest.fixture
def shop(whole: CommandLine, tmp_path: Path) -> CommandLine:
    """A copy of that project, with the same store, its environments built there too."""
    directory = tmp_path / "shop"
    shutil.copytree(whole.directory, directory)
    return CommandLine(directory, whole.store, whole.home)


def spec_of(line: CommandLine) -> str:
    return (line.directory / "envforge.toml").read_text()


def told(line: CommandLine, *arguments: str) -> object:
    return json.loads(line.succeed(*arguments, "--json"))


def asked(line: CommandLine, *arguments: str) -> list[str]:
    return [one["name"] for one in told(line, "show", *arguments)["packages"] if one["asked"]]


def test_run_and_shell_enter_the_one_that_is_named(shop):
    assert shop.succeed("run", "--", "one") == "one\n"
    assert shop.run("run", "--", "three").returncode == 127
    assert shop.succeed("-E", "db", "run", "--", "three") == "three\n"
    assert shop.succeed("run", "-E", "db", "--", "three") == "three\n"
    assert shop.run("shell", "--environment", "db", "--", "one").returncode == 127
    ask = 'echo "$STAGE $ENVFORGE"; cat /proc/sys/kernel/hostname'
    for _ in range(2):  # by the whole command line, then by a plan that is kept
        assert shop.succeed("run", "-E", "test", "--", "sh", "-c", ask) == "test shop:test\nshop-test\n"
        assert shop.succeed("run", "--", "sh", "-c", ask) == " shop\nshop\n"


def test_add_and_remove_edit_the_tables_of_the_one_that_is_named(shop):
    before = spec_of(shop)
    changed = shop.succeed("add", "-E", "db", "two")
    assert "two (none) -> 1.0  (db)\n" in changed
    assert spec_of(shop) == before.replace('  "three",  # last\n', '  "three",  # last\n  "two",\n')
    assert (asked(shop), asked(shop, "-E", "db")) == (["one"], ["three", "two"])
    shop.succeed("remove", "-E", "db", "two")
    assert spec_of(shop) == before
    shop.succeed("-E", "test", "add", "two")
    table = '\n[environments.test.debian]\npackages = ["two"]\n'
    assert spec_of(shop) == before.replace('{ STAGE = "test" }\n', f'{{ STAGE = "test" }}\n{table}')
    assert asked(shop, "-E", "test") == ["one", "two"]
    assert shop.succeed("run", "-E", "test", "--", "sh", "-c", "one; two") == "one\ntwo\n"
    said = shop.fail(26, "remove", "-E", "test", "one")
    assert "environments.test.debian.packages" in said
    assert "`envforge remove one`" in said
    assert "two" in shop.fail(26, "remove", "two")
    unchanged = spec_of(shop)
    shop.fail(14, "add", "-E", "db", "for")
    assert spec_of(shop) == unchanged


@pytest.mark.one_kind
def test_a_lock_is_of_all_and_says_which_one_is_stale(shop):
    lock = shop.directory / "envforge.lock"
    shop.succeed("lock", "--check")
    shop.succeed("add", "-E", "db", "--no-lock", "two")
    assert "two" in shop.fail(13, "lock", "--check")
    assert told(shop, "show")["lock"] == "current"
    assert {one["name"]: one["lock"] for one in told(shop, "show")["environments"]} == {
        "default": "current",
        "test": "current",
        "db": "stale",
    }
    before = lock.read_bytes()
    changes = told(shop, "lock", "--dry-run")
    assert changes["changes"] == [{"name": "two", "old": "", "new": "1.0", "environment_name": "db"}]
    assert lock.read_bytes() == before
    shop.succeed("lock")
    shop.succeed("lock", "--check")
    (shop.directory / "envforge.toml").write_text(spec_of(shop).partition("# a system of its own")[0])
    assert "db" in shop.fail(13, "lock", "--check")
    shop.succeed("lock")
    assert b"three" not in lock.read_bytes()


@pytest.mark.one_kind
def test_an_upgrade_may_be_of_one_of_them(tmp_path):
    made = Archive(tmp_path / "archive")
    add_system(made)
    made.add("one")
    made.publish()
    with web.serving(made.path) as server:
        line = new_project(tmp_path, server.url, [])
        (line.directory / "envforge.toml").write_text(SPEC.replace("three", "one"))
        line.succeed("lock")
        made.add("one", "2.0")
        made.publish()

        def versions() -> list[str]:
            found = [told(line, "show", "-E", name)["packages"] for name in ("default", "test", "db")]
            return [one["version"] for packages in found for one in packages if one["name"] == "one"]

        assert "no changes" in line.succeed("lock")
        line.succeed("lock", "-E", "db", "--upgrade-package", "one")
        assert versions() == ["1.0", "1.0", "2.0"]
        line.succeed("lock", "--upgrade", "-E", "test")
        assert versions() == ["1.0", "2.0", "2.0"]
        line.succeed("lock", "--upgrade")
        assert versions() == ["2.0", "2.0", "2.0"]
        line.succeed("store", "destroy", "--yes")


@pytest.mark.one_kind
@pytest.mark.archive
def test_another_machine_is_locked_for_in_all_of_them(tmp_path, whole):
    line = CommandLine(tmp_path, whole.store, tmp_path)
    (tmp_path / "envforge.toml").write_text(SPEC.replace("one", "hello").replace("three", "jq"))
    line.succeed("lock", "--architecture", "arm64", "--architecture", "amd64")
    packages = tomllib.loads((tmp_path / "envforge.lock").read_text())["debian"]["packages"]
    assert {name for name in packages if "hello" in packages[name]} == {"amd64", "arm64"}
    assert all("jq" in packages[name] for name in ("amd64", "arm64"))
    line.succeed("lock", "--check", "--architecture", "arm64")


def test_what_is_built_listed_and_shown_is_called_by_its_name(shop):
    names = {"default": "shop", "test": "shop:test", "db": "shop:db"}
    for name, label in names.items():
        assert told(shop, "build", "-E", name)["name"] == label
        assert shop.succeed("build", "-E", name).startswith(f"{label}  sha256:")
        shown = told(shop, "show", "-E", name)
        assert (shown["name"], shown["environment_name"]) == (label, name)
        assert [one["name"] for one in shown["environments"]] == list(names)
        assert shown["environment"] in {one["environment"] for one in shown["environments"]}
        assert told(shop, "tree", "-E", name)["name"] == label
        assert told(shop, "verify", "-E", name)["identical"]
        assert json.loads(shop.succeed("ci", "-E", name))["name"] == label
    spec = f"{shop.directory}/envforge.toml"
    listed = [one for one in told(shop, "ls") if one["spec"] == spec]
    assert [one["name"] for one in listed] == ["shop", "shop:db", "shop:test"]
    assert all(set(one) == FIELDS_OF_LS for one in listed)
    assert len({one["environment"] for one in listed}) == len(names)
    assert "* db" in shop.succeed("show", "-E", "db")


def test_a_spec_with_one_environment_names_none(archive, tmp_path, whole):
    line = new_project(tmp_path, archive[1], ["one"], store=whole.store)
    outputs = [line.succeed(*words) for words in (["lock"], ["build"], ["show"], ["tree"], ["ci"])]
    assert not any("default" in text or ":test" in text for text in outputs)
    assert "environments" not in outputs[2]
    text = (line.directory / "envforge.lock").read_text()
    assert text.count("[environments.") == text.count("[environments.default")
    assert line.succeed("run", "--", "sh", "-c", "echo $ENVFORGE") == "small\n"


@pytest.mark.parametrize("words", [["build"], ["lock"], ["run", "--", "one"]])
def test_each_has_a_warm_answer_of_its_own(shop, words):
    traced = {**shop.environment, "PYTHONPROFILEIMPORTTIME": "1"}
    line = CommandLine(shop.directory, shop.store, shop.home, traced)
    for option in ([], ["-E", "test"]):
        shop.succeed(*option, *words)
        result = line.run(*option, *words)
        assert result.returncode == 0
        assert "envforge.api" not in result.stderr
        assert ("shop:test" in result.stdout) == (option != [] and words == ["build"])


def test_a_store_that_was_used_for_one_has_nothing_for_another(archive, tmp_path):
    line = new_project(tmp_path, archive[1], [])
    (line.directory / "envforge.toml").write_text(SPEC)
    line.succeed("build", "-E", "db")
    assert [one["name"] for one in told(line, "ls")] == ["shop:db"]
    shown = told(line, "show")
    assert (shown["environment"], shown["lock"], shown["layers"]) == ("", "current", [])
    assert "default  not built" in line.succeed("show", "-E", "db")
    line.succeed("store", "destroy", "--yes")


def test_exec_joins_the_environment_that_is_meant(shop):
    process = subprocess.Popen(
        shop.words("run", "-E", "db", "--", "sh", "-c", "echo ready; cat"),
        cwd=shop.directory,
        env=shop.variables(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        said = shop.fail(125, "exec", "--", "true")
        assert "its environment default" in said
        assert "`envforge exec -E db -- COMMAND…`" in said
        assert shop.succeed("exec", "-E", "db", "--", "three") == "three\n"
        assert shop.succeed("-E", "db", "exec", "three") == "three\n"
        assert shop.succeed("exec", "shop:db", "--", "three") == "three\n"
        assert "did you mean test" in shop.fail(125, "exec", "-E", "tset", "--", "true")
        (one,) = [one for one in told(shop, "exec") if one["spec"].startswith(str(shop.directory))]
        assert (one["name"], one["environment_name"]) == ("shop:db", "db")
        assert "shop:db" in shop.succeed("exec")
    finally:
        process.communicate(timeout=20)


@pytest.mark.one_kind
def test_one_lock_may_have_archives_that_only_another_environment_names(archive, tmp_path, whole):
    other = Archive(tmp_path / "other")
    other.add("extra")
    other.publish()
    with web.serving(other.path) as server:
        line = new_project(tmp_path, archive[1], [], store=whole.store)
        table = f'[[environments.db.debian.archive]]\nuri = "{server.url}"\nsuite = "bookworm"\n'
        shutil.copy(tmp_path / "key.pgp", line.directory)
        packages = SPEC.replace('  "three",', '  "three", "extra",')
        (line.directory / "envforge.toml").write_text(f'{packages}{table}key = "key.pgp"\n')
        allowed = CommandLine(line.directory, line.store, line.home, {"ENVFORGE_ALLOW": "1"})
        allowed.succeed("build", "-E", "db")
        allowed.succeed("build")


COMMANDS = (
    *("add one", "allow", "build", "ci", "doctor", "exec -- true", "lock", "remove one"),
    *("run -- true", "shell -- true", "show", "tree", "verify"),
)


@pytest.mark.one_kind
@pytest.mark.parametrize("command", COMMANDS)
def test_an_environment_that_is_not_there_is_told_in_every_command(shop, command):
    words = command.split()
    code = 125 if words[0] in {"exec", "run", "shell"} else 26
    said = shop.fail(code, words[0], "-E", "tset", *words[1:])
    assert said.count("error:") == 1
    assert "did you mean test?" in said
    assert "it has default, test, db" in shop.fail(code, "-E", "nothing-like-it", *words)


@pytest.mark.one_kind
def test_init_makes_no_environment(tmp_path, whole):
    line = CommandLine(tmp_path, whole.store, whole.home)
    assert "[environments.db]" in line.fail(2, "init", "-E", "db")
    assert not os.listdir(tmp_path)


@pytest.mark.one_kind
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["-E", ""], ["default", "test", "db"]),
        (["run", "-E", ""], ["default", "test", "db"]),
        (["build", "--environment", "d"], ["default", "db"]),
        (["-E", "db", "remove", ""], ["three"]),
        (["remove", "-E", "test", ""], []),
    ],
)
def test_names_are_completed(shop, typed, expected):
    words = ["envforge", *typed]
    asks = {"_ENVFORGE_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words)}
    asks["COMP_CWORD"] = str(len(words) - 1)
    said = subprocess.run(
        [COMMAND],
        env=shop.variables() | asks,
        cwd=shop.directory,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    assert [line for line in said if line] == [f"plain,{name}" for name in expected]


@pytest.mark.one_kind
@pytest.mark.parametrize("command", ["add", "build", "exec", "lock", "remove", "run", "shell", "show", "ci"])
def test_help_has_an_example(shop, command):
    assert " -E " in shop.succeed(command, "--help").partition("Examples")[2]
