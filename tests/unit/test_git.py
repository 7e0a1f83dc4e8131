"""Whose repository is believed: real worktrees and submodules, and forged ones."""

import os
import shutil
import subprocess

import pytest

from envforge.environment.entering.git import Repository, repository_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(directory, *words):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", *identity, *words], cwd=directory, check=True, capture_output=True)


@pytest.fixture
def main(tmp_path):
    path = tmp_path / "main"
    path.mkdir()
    git(path, "init", "-q")
    git(path, "commit", "-q", "--allow-empty", "-m", "first")
    return path


@pytest.fixture
def worktree(main, tmp_path):
    git(main, "worktree", "add", "-q", str(tmp_path / "tree"))
    return tmp_path / "tree"


def test_a_worktrees_common_directory_is_found(main, worktree):
    found = repository_of(str(worktree))
    pointers = (str(worktree / ".git"), str(main / ".git/worktrees/tree/gitdir"))
    assert found == Repository(str(main / ".git"), pointers)
    assert repository_of(str(main)) == Repository()
    assert repository_of(str(main / ".git")) == Repository()


def test_a_submodules_repository_is_found(main, tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "submodule", "add", "-q", str(main), "inner")
    assert repository_of(str(outer / "inner")).directory == str(outer / ".git/modules/inner")


def test_a_repository_that_does_not_lead_back_is_not_believed(main, worktree, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    for directory in (main / ".git" / "worktrees" / "tree", main / ".git", tmp_path, tmp_path / "none"):
        (project / ".git").write_text(f"gitdir: {directory}\n")
        found = repository_of(str(project))
        assert not found.directory
        assert str(directory) in found.doubt
    worktree.rename(tmp_path / "moved")
    assert "worktree repair" in repository_of(str(tmp_path / "moved")).doubt


def test_a_repository_inside_the_project_cannot_name_another_place(main, tmp_path):
    project = tmp_path / "project"
    inside = project / "fake" / "worktrees" / "x"
    inside.mkdir(parents=True)
    (project / ".git").write_text("gitdir: fake/worktrees/x\n")
    (inside / "gitdir").write_text(f"{project}/.git\n")
    (inside / "commondir").write_text(f"{main}/.git\n")
    assert repository_of(str(project)) == Repository()
    shutil.rmtree(project / "fake" / "worktrees")
    (project / "fake" / "worktrees").symlink_to(main / ".git")
    assert not repository_of(str(project)).directory


@pytest.mark.root
def test_a_repository_of_somebody_else_is_not_believed(main, worktree):
    os.chown(main / ".git", 12345, 12345)
    assert "somebody else" in repository_of(str(worktree)).doubt


@pytest.mark.parametrize("kind", ["fifo", "link", "nothing", "text"])
def test_what_is_no_pointer_names_nothing(main, tmp_path, kind):
    project = tmp_path / "project"
    project.mkdir()
    place = project / ".git"
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "link":
        (tmp_path / "pointer").write_text(f"gitdir: {main}/.git\n")
        place.symlink_to(tmp_path / "pointer")
    elif kind == "text":
        place.write_text("hello\n")
    assert repository_of(str(project)) == Repository()
