"""Which spec is meant, and whose is believed."""

import os

import pytest

from envforge import trust
from envforge.api import joining
from envforge.environment.projects import ownership
from envforge.environment.projects.project import open_project
from envforge.errors import NotFoundError, OwnerError, SpecError

SPEC = 'name = "p"\n[debian]\nsuite = "bookworm"\n'


@pytest.fixture
def project(tmp_path, empty_home):
    del empty_home
    directory = tmp_path / "project"
    directory.mkdir(mode=0o755)
    (directory / "envforge.toml").write_text(SPEC)
    (directory / "envforge.toml").chmod(0o644)
    return directory


def opened(directory):
    return open_project(str(directory / "envforge.toml"), None)


def test_the_nearest_spec_upward(tmp_path, empty_home):
    del empty_home
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert trust.find(str(below)) is None
    (tmp_path / "envforge.toml").touch()
    assert trust.find(str(below)) == str(tmp_path / "envforge.toml")
    (below / "envforge.toml").symlink_to("nowhere")
    assert trust.find(str(below)) == str(below / "envforge.toml")


def test_the_search_ends_below_the_home(tmp_path, empty_home):
    below = os.path.join(empty_home, "a", "b")
    os.makedirs(below)
    (tmp_path / "envforge.toml").touch()
    assert trust.find(below) is None
    assert trust.find(empty_home) is None
    with open(os.path.join(empty_home, "envforge.toml"), "w", encoding="utf-8"):
        pass
    assert trust.find(below) is None
    assert trust.find(empty_home) == os.path.join(empty_home, "envforge.toml")


def test_the_search_ends_at_the_border_of_the_file_system():
    assert not os.path.lexists("/envforge.toml")
    assert trust.find("/proc/self") is None


def test_ones_own_spec_is_believed(project):
    assert opened(project).owner == os.geteuid()


@pytest.mark.parametrize("name", [".", "envforge.toml", "envforge.lock"])
def test_what_everybody_can_write_is_not_believed(project, name):
    (project / "envforge.lock").touch()
    os.chmod(project / name, 0o777)
    with pytest.raises(OwnerError) as caught:
        opened(project)
    assert f"allow --trust {project}" in caught.value.hint


def test_a_sticky_directory_keeps_others_from_replacing_files(project):
    os.chmod(project, 0o1777)
    opened(project)


def test_a_directory_is_trusted_by_name_and_not_what_lies_below(project):
    (project / "below").mkdir()
    (project / "below" / "envforge.toml").write_text(SPEC)
    for path in (project, project / "below"):
        os.chmod(path, 0o777)
    ownership.trust_directory(str(project))
    opened(project)
    with pytest.raises(OwnerError):
        opened(project / "below")
    assert ownership.distrust_directory(str(project))
    with pytest.raises(OwnerError):
        opened(project)


OTHER = 12345
ME = 1000


def seen(path, owner=ME, group=ME, mode=0o100644):
    return (path, owner, group, mode)


@pytest.mark.parametrize(
    ("owners", "path"),
    [
        ([seen("/p/s"), seen("/p", mode=0o040755)], None),
        ([seen("/p/s", owner=0)], None),
        ([seen("/p/s", owner=OTHER)], "/p/s"),
        ([seen("/p", owner=OTHER, mode=0o040755)], "/p"),
        ([seen("/p/s", owner=OTHER, mode=0o120777)], "/p/s"),
        ([seen("/p/s", mode=0o120777)], None),
        ([seen("/p/s", mode=0o100664)], None),
        ([seen("/p/s", group=OTHER, mode=0o100664)], "/p/s"),
        ([seen("/t/s", owner=OTHER)], None),
        ([seen("/t", owner=OTHER, mode=0o040777)], None),
        ([seen("/t/below/s", owner=OTHER)], "/t/below/s"),
    ],
)
def test_who_is_a_stranger(owners, path):
    found = trust.strange(tuple(owners), ME, lambda group: group == ME, frozenset({"/t"}))
    assert (found and found[0]) == path


@pytest.mark.root
def test_root_believes_root_only(project):
    os.chown(project / "envforge.toml", OTHER, OTHER)
    with pytest.raises(OwnerError, match=f"belongs to uid {OTHER}"):
        opened(project)


@pytest.mark.root
def test_a_link_that_somebody_else_made_is_not_followed(project, tmp_path):
    link = tmp_path / "link.toml"
    link.symlink_to(project / "envforge.toml")
    open_project(str(link), None)
    os.chown(link, OTHER, OTHER, follow_symlinks=False)
    with pytest.raises(OwnerError):
        open_project(str(link), None)


def test_a_link_into_another_project_is_not_entered_either(project, tmp_path, monkeypatch):
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / "envforge.toml").symlink_to(project / "envforge.toml")
    monkeypatch.chdir(planted)
    for find in (lambda: open_project(None, None), lambda: joining.find("")):
        with pytest.raises(SpecError, match="the spec of another directory"):
            find()
    with pytest.raises(NotFoundError, match=f"nothing runs for {project}"):
        joining.find("", str(planted / "envforge.toml"))
