"""Hostile projects: what code inside can write, and what other users can put in the way, is not obeyed."""

import json
import marshal
import os
import shutil
import stat
from pathlib import Path

import pytest

from envforge.errors import ConsentError, LockError, OwnerError

pytestmark = [pytest.mark.userns, pytest.mark.archive, pytest.mark.one_kind]

OWN_FAILURE = 125


def state(project) -> Path:
    return project.home / ".local" / "state" / "envforge"


def test_a_spec_that_was_changed_inside_is_asked_for(project):
    assert project.succeed("run", "--", "true") == ""
    assert list(state(project).glob("plans/*"))
    script = 'printf "[shell]\\nhome = \\"host\\"\\n" >>envforge.toml'
    project.succeed("run", "--", "sh", "-c", script)
    (project.home / "secret").write_text("secret")
    said = project.fail(OWN_FAILURE, "run", "--", "sh", "-c", "cat ~/secret")
    assert "whole home directory" in said
    assert f"--file {project.directory}/envforge.toml allow" in said
    project.succeed("build")
    assert "ConsentError" in project.fail(OWN_FAILURE, "shell", "--", "true")
    assert project.succeed("run", "--allow", "--", "sh", "-c", "cat ~/secret") == "secret"
    assert project.succeed("run", "--", "sh", "-c", "cat ~/secret") == "secret"
    project.succeed("allow", "--revoke")
    project.fail(OWN_FAILURE, "run", "--", "true")


def test_what_is_asked_on_a_terminal(project):
    spec = project.directory / "envforge.toml"
    spec.write_text(spec.read_text() + '[shell]\npass = ["SECRET_*"]\n')
    code, shown = project.on_terminal("run", "--", "echo", "inside", typed="n\n", after_s=2)
    assert code == OWN_FAILURE
    assert "SECRET_*" in shown
    assert "Allow this?" in shown
    code, shown = project.on_terminal("run", "--", "echo", "inside", typed="y\n", after_s=2)
    assert (code, "inside" in shown) == (0, True)
    code, shown = project.on_terminal("run", "--", "echo", "inside")
    assert (code, "Allow" in shown) == (0, False)
    spec.write_text(spec.read_text().replace('"SECRET_*"', '"SECRET_*", "OTHER"'))
    code, shown = project.on_terminal("run", "--", "true", typed="n\n", after_s=2)
    assert "new: read the variables OTHER" in shown


def test_in_ci_a_hash_allows_exactly_one_reach(project):
    spec = project.directory / "envforge.toml"
    spec.write_text(spec.read_text() + '[shell]\npass = ["A"]\n')
    digest = json.loads(project.succeed("allow", "--json"))["hash"]
    project.environment["ENVFORGE_ALLOW"] = digest
    project.succeed("run", "--", "true")
    spec.write_text(spec.read_text().replace('["A"]', '["A", "B"]'))
    project.fail(OWN_FAILURE, "run", "--", "true")
    del project.environment["ENVFORGE_ALLOW"]
    spec.write_text(spec.read_text().replace('["A", "B"]', '["A"]'))
    project.fail(OWN_FAILURE, "run", "--", "true")
    assert project.fail(ConsentError.exit_code, "allow")


def test_a_source_that_was_swapped_for_a_link_shows_nothing(project):
    spec = project.directory / "envforge.toml"
    spec.write_text(spec.read_text() + '[[mounts]]\nsource = "data"\ntarget = "/data"\n')
    (project.directory / "data").mkdir()
    (project.directory / "data" / "x").write_text("of the project")
    (project.home / "secret").write_text("secret")
    run = ("run", "--", "sh", "-c", "ls /data")
    assert project.succeed(*run) == "x\n"
    assert project.succeed(*run) == "x\n"
    project.succeed("run", "--", "sh", "-c", f"rm -r data && ln -s {project.home} data")
    assert "leads out of the project" in project.fail(OWN_FAILURE, *run)
    os.unlink(project.directory / "data")
    (project.directory / "data").symlink_to("other")
    (project.directory / "other").mkdir()
    assert project.succeed(*run) == ""


def test_a_file_source_that_was_swapped_for_a_link_is_not_copied(project):
    spec = project.directory / "envforge.toml"
    spec.write_text(spec.read_text() + '[[files]]\nsource = "f"\ntarget = "/f"\n')
    (project.directory / "f").write_text("1")
    (project.home / "secret").write_text("secret")
    run = ("run", "--", "cat", "/f")
    assert project.succeed(*run) == "1"
    (project.directory / "f").write_text("2")
    assert project.succeed(*run) == "2"
    project.succeed("run", "--", "ln", "-sf", f"{project.home}/secret", "f")
    assert "leads out of the project" in project.fail(OWN_FAILURE, *run)


def test_a_forged_plan_does_not_run(project):
    run = ("run", "--", "true")
    project.succeed(*run)
    plan = max(state(project).glob("plans/*"), key=lambda path: path.stat().st_mtime)
    data = plan.read_bytes()
    compiled, watched = marshal.loads(data[32:])
    trace = project.home / "ran"
    tool = project.home / "tool"
    tool.write_text(f"#!/bin/sh\ntouch {trace}\n")
    tool.chmod(0o755)
    forged = {**compiled, "mapping": "tools", "tools": (str(tool), str(tool)), "idmapped": False}
    for forgery in (marshal.dumps((forged, watched)), data[:32] + marshal.dumps((forged, watched))):
        plan.write_bytes(forgery)
        project.succeed(*run)
        assert not trace.exists()


def test_neither_state_nor_store_nor_key_is_seen_with_the_hosts_home(project):
    spec = project.directory / "envforge.toml"
    spec.write_text(spec.read_text() + '[shell]\nhome = "host"\n')
    script = "cd ~ && ls -A .local/state/envforge .config/envforge; mv .local .l2; mv .local/state .local/s2"
    result = project.run("run", "--allow", "--", "sh", "-c", script)
    assert result.stdout == ".config/envforge:\n\n.local/state/envforge:\n"
    assert result.stderr.count("busy") == 2, result.stderr


def test_options_are_warm_and_lead_where_they_lead_now(project):
    for name in ("a", "b"):
        (project.directory / name).mkdir()
        (project.directory / name / name).touch()
    link = project.directory / "link"
    link.symlink_to("a")
    (project.directory / "vars").write_text("X=1\n")
    options = ("-v", f"{link}:/m", "-u", "root", "-e", "Y=2", "--env-file", "vars", "-w", "/m", "--locked")
    run = ("run", *options, "--", "sh", "-c", "ls; echo $X$Y; pwd")
    assert project.succeed(*run) == "a\n12\n/m\n"
    before = {path.name for path in state(project).glob("plans/*")}
    assert project.succeed(*run) == "a\n12\n/m\n"
    assert {path.name for path in state(project).glob("plans/*")} == before
    link.unlink()
    link.symlink_to("b")
    assert project.succeed(*run) == "b\n12\n/m\n"


def test_a_lock_that_is_a_link_elsewhere_is_told(project):
    lock = project.directory / "envforge.lock"
    for target, why in (("nowhere", "leads nowhere"), ("../elsewhere", "away from its spec")):
        lock.unlink()
        lock.symlink_to(target)
        for words in (
            ("build",),
            ("show",),
            ("lock", "--upgrade"),
            ("lock", "--check"),
            ("run", "--", "true"),
        ):
            assert why in project.fail(OWN_FAILURE if words[0] == "run" else LockError.exit_code, *words)
    assert not (project.directory.parent / "elsewhere").exists()


@pytest.mark.root
def test_the_spec_of_another_user_is_not_believed(project, plain_user):
    for name in ("envforge.toml", "envforge.lock"):
        os.chown(project.directory / name, plain_user.uid, plain_user.gid)
    assert "belongs to uid" in project.fail(OWN_FAILURE, "run", "--", "true")
    assert "belongs to uid" in project.fail(OwnerError.exit_code, "build")
    project.succeed("allow", "--trust", str(project.directory))
    project.succeed("run", "--", "true")
    project.succeed("allow", "--distrust", str(project.directory))
    project.fail(OWN_FAILURE, "run", "--", "true")


@pytest.mark.root
@pytest.mark.parametrize("kind", ["plain_user", "range_user"])
def test_a_spec_in_a_directory_for_all_is_not_taken(request, kind):
    victim = request.getfixturevalue(kind)
    top = Path("/tmp") / f"envforge-test-{os.urandom(6).hex()}"
    below = top / "below"
    below.mkdir(parents=True)
    os.chmod(top, 0o1777)
    os.chown(below, victim.uid, victim.gid)
    try:
        (top / "envforge.toml").write_text('name = "evil"\n[debian]\nsuite = "bookworm"\n')
        os.chown(top / "envforge.toml", 54321, 54321)
        said = victim.run(["envforge", "run", "--", "true"], cwd=str(below), check=False)
        assert said.returncode == OWN_FAILURE
        assert "belongs to uid 54321" in said.stderr
        os.unlink(top / "envforge.toml")
        (top / "envforge.toml").symlink_to(below / "envforge.toml")
        os.lchown(top / "envforge.toml", 54321, 54321)
        said = victim.run(["envforge", "show"], cwd=str(below), check=False)
        assert said.returncode == OwnerError.exit_code, said.stderr
    finally:
        shutil.rmtree(top)


def test_what_is_remembered_is_private(project):
    spec = project.directory / "envforge.toml"
    spec.write_text(spec.read_text() + '[shell]\npass = ["A"]\n')
    project.succeed("allow", "--yes")
    project.succeed("run", "--", "true")
    for path in (state(project) / "key", *state(project).glob("allowed/*")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "read the variables A" in project.succeed("allow", "--list")
