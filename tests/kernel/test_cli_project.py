"""The whole way through the real command, on a minimal system from the host's mirror."""

import json
import os
import re
import tomllib

import pytest
from commandline import CommandLine

pytestmark = [pytest.mark.userns, pytest.mark.archive, pytest.mark.one_plain_user]


def test_a_build_is_told_as_json_and_reused(project):
    told = json.loads(project.succeed("build", "--json"))
    assert set(told) == {"name", "environment", "layers", "seconds"}
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", told["environment"])
    for layer in told["layers"]:
        assert set(layer) == {"name", "key", "digest", "size_bytes", "files", "reused"}
        assert layer["reused"]


def test_nothing_but_data_is_on_standard_output(project):
    result = project.run("build", "--json", "--verbose")
    json.loads(result.stdout)
    assert "Traceback" not in result.stderr
    assert project.succeed("build", "--quiet") == ""


def test_run_gives_output_and_the_commands_own_code(project):
    assert project.succeed("run", "--", "hello", "-g", "hi") == "hi\n"
    assert project.run("run", "--", "sh", "-c", "exit 7").returncode == 7
    assert project.run("run", "--", "sh", "-c", "kill -9 $$").returncode == 137
    assert project.run("run", "--", "no-such-program").returncode == 127
    assert project.run("run", "--", "/etc/passwd").returncode == 126
    assert project.succeed("run", "cat", stdin="through\n") == "through\n"


def test_run_takes_dockers_options(project):
    data = project.directory / "data"
    data.mkdir()
    (data / "x").write_text("seen")
    script = 'printf "%s %s %s " "$A" "$B" "$(pwd)"; cat /in/x; touch /in/y || echo " kept"'
    (project.directory / "vars").write_text("B=2\n")
    options = ["-e", "A=1", "--env-file", "vars", "-w", "/tmp", "-v", "./data:/in:ro", "--rm", "-i"]
    assert project.succeed("run", *options, "--", "sh", "-c", script) == "1 2 /tmp seen kept\n"
    assert project.succeed("run", "-u", "root", "--", "id", "-u") == "0\n"


def test_files_made_inside_are_the_users_own(project):
    project.succeed("run", "--", "touch", "made")
    status = os.stat(project.directory / "made")
    assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())


def test_shell_runs_what_it_is_given(project):
    assert project.succeed("shell", "--", "echo", "in") == "in\n"


@pytest.mark.one_kind
def test_locking_again_changes_nothing(project):
    before = (project.directory / "envforge.lock").read_bytes()
    assert "no changes" in project.succeed("lock")
    assert json.loads(project.succeed("lock", "--json"))["changes"] == []
    project.succeed("lock", "--check")
    assert (project.directory / "envforge.lock").read_bytes() == before


@pytest.mark.one_kind
def test_add_and_remove_edit_the_spec_and_lock(project, spec):
    told = project.succeed("add", "jq")
    assert re.search(r"^jq .*-> 1\.6", told, re.MULTILINE)
    edited = (project.directory / "envforge.toml").read_text()
    assert '"jq"' in edited
    assert "# kept\n" in edited
    assert "# kept too" in edited
    assert project.succeed("run", "--", "jq", "-n", "1+1") == "2\n"
    project.succeed("remove", "jq")
    assert (project.directory / "envforge.toml").read_text() == spec
    assert project.run("run", "--", "jq", "-n", "1").returncode == 127


@pytest.mark.one_kind
def test_a_failed_add_changes_nothing(project):
    before = {path.name: path.read_bytes() for path in project.directory.iterdir()}
    told = project.fail(14, "add", "jqq")
    assert "jq" in told.replace("jqq", "")
    assert {path.name: path.read_bytes() for path in project.directory.iterdir()} == before


@pytest.mark.one_kind
def test_an_edit_without_lock_makes_the_lock_stale(project):
    project.succeed("add", "--no-lock", "jq")
    assert "jq" in project.fail(13, "lock", "--check")
    project.fail(13, "build", "--locked")
    project.fail(125, "run", "--locked", "--", "true")
    changes = json.loads(project.succeed("lock", "--dry-run", "--json"))
    assert changes["written"] is False
    assert "jq" in {change["name"] for change in changes["changes"]}
    project.fail(13, "lock", "--check")


def test_ci_needs_the_lock_and_its_outputs(project):
    told = json.loads(project.succeed("ci"))
    lock = project.directory / "envforge.lock"
    text = lock.read_text()
    assert told["environment"].removeprefix("sha256:") in text
    digest = told["layers"][0]["digest"].removeprefix("sha256:")
    lock.write_text(text.replace(digest, digest[::-1]))
    result = project.run("ci")
    assert result.returncode == 24
    assert json.loads(result.stdout)["error"]["class"] == "OutputError"


@pytest.mark.one_kind
def test_an_edit_of_how_it_is_run_makes_the_lock_stale_for_ci(project):
    project.succeed("build")
    with open(project.directory / "envforge.toml", "a", encoding="utf-8") as file:
        file.write('[variables]\nEDITED = "yes"\n')
    assert "[variables]" in project.fail(13, "build", "--locked")
    project.succeed("build")
    project.succeed("build", "--locked")
    (project.directory / "new").write_text("1")
    with open(project.directory / "envforge.toml", "a", encoding="utf-8") as file:
        file.write('[[files]]\nsource = "new"\ntarget = "/etc/new"\n')
    assert "[[files]]" in project.fail(13, "build", "--locked")
    project.succeed("build")
    assert project.succeed("run", "--locked", "--", "cat", "/etc/new") == "1"


@pytest.mark.one_kind
def test_a_lock_of_another_machine_gains_this_ones_part(project):
    lock = project.directory / "envforge.lock"
    lock.unlink()
    project.fail(14, "lock", "--architecture", "arm65")
    project.succeed("lock", "--architecture", "arm64")
    other = lock.read_text()
    assert re.search(r'^hello = "\S+ arm64 bookworm pool/main/h/hello/ ', other, re.MULTILINE)
    assert "amd64" not in other
    assert "has nothing for amd64" in project.fail(13, "build", "--locked")
    project.succeed("run", "--", "true")
    both = tomllib.loads(lock.read_text())["debian"]["packages"]
    assert both["arm64"] == tomllib.loads(other)["debian"]["packages"]["arm64"]
    assert "hello" in both["amd64"]


def test_what_is_there_is_listed_and_shown(project):
    project.succeed("build")
    listed = {entry["spec"]: entry for entry in json.loads(project.succeed("ls", "--json"))}
    entry = listed[str(project.directory / "envforge.toml")]
    assert entry["name"] == "small"
    assert set(entry) == {
        "name",
        "environment",
        "created",
        "last_used",
        "size_bytes",
        "unique_bytes",
        "generation",
        "spec",
    }
    assert "small" in project.succeed("ls")
    shown = json.loads(project.succeed("show", "--json"))
    assert shown["environment"] == entry["environment"]
    assert shown["lock"] == "current"
    assert [package["name"] for package in shown["packages"] if package["asked"]] == ["hello"]
    assert "hello" in project.succeed("show")


@pytest.mark.one_kind
def test_the_tree_shows_layers_and_needs(project):
    project.succeed("build")
    drawn = project.succeed("tree")
    assert "layers" in drawn
    assert re.search(r"── hello \S+\n", drawn)
    assert "libc6" in drawn
    needs = {
        item["name"]: item["needs"] for item in json.loads(project.succeed("tree", "--json"))["packages"]
    }
    assert "libc6" in needs["hello"]


def test_verify_builds_the_same_again(project):
    told = json.loads(project.succeed("verify", "--json"))
    assert told["identical"] is True
    assert told["differences"] == []


@pytest.mark.one_kind
def test_a_new_directory_goes_from_init_to_lock(built, tmp_path):
    line = CommandLine(tmp_path, built.store, built.home)
    line.succeed("init")
    before = (tmp_path / "envforge.toml").read_text()
    line.fail(2, "init")
    assert (tmp_path / "envforge.toml").read_text() == before
    line.succeed("init", "--force")
    line.succeed("lock")


@pytest.mark.one_kind
def test_a_terminal_of_20_columns_and_one_without_colours(project):
    code, shown = project.on_terminal("build", "--rebuild", columns=20)
    assert code == 0, shown
    code, shown = project.on_terminal("run", "-it", "--", "tty", columns=20)
    assert code == 0, shown
    plain = CommandLine(project.directory, project.store, project.home, {"NO_COLOR": "1"})
    code, shown = plain.on_terminal("lock")
    assert code == 0, shown
    assert not re.search(r"\x1b\[[0-9;]*[34][0-9]m", shown)
