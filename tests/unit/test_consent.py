"""What a spec wants of the host, and what is remembered of what was allowed."""

import os
import stat

import pytest
from attrs import evolve
from locks import lock_of

from envforge import config
from envforge.environment.projects import consent
from envforge.environment.projects.project import open_project
from envforge.environment.projects.reach import reach_of
from envforge.errors import ConsentError, LockError
from envforge.sources.debian.model import Closure, LockedArchive, Request
from envforge.spec.parse import parse

PLAIN = """
name = "p"
[debian]
suite = "bookworm"
packages = ["git"]
[[files]]
source = "deploy/app.conf"
target = "/etc/app.conf"
[variables]
A = "b"
[shell]
command = ["zsh"]
[[mounts]]
source = "data"
target = "/data"
[[mounts]]
source = "/p/cache"
target = "/cache"
[network]
mode = "none"
"""
HEAD = 'name = "p"\n[debian]\nsuite = "bookworm"\n'


def wants(text, **options):
    spec = parse(text.encode(), "x.toml")
    return {(one.kind, one.text, one.place) for one in reach_of(spec, "/p", "/home/me", **options).wants}


def test_a_plain_spec_wants_nothing():
    assert wants(PLAIN) == set()


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ('[shell]\nhome = "host"\n', ("home", 'home = "host"', "/home/me")),
        ('[shell]\npass = ["AWS_*"]\n', ("pass", "AWS_*", "")),
        ('[shell]\nforward = ["ssh-agent"]\n', ("forward", "ssh-agent", "")),
        ('[shell]\nuser = "root"\n', ("user", "root", "")),
        ('[[mounts]]\nsource = "/srv"\ntarget = "/s"\n', ("mount", "see and change /srv", "REAL/srv")),
        (
            '[[mounts]]\nsource = "../q"\ntarget = "/s"\nread-only = true\n',
            ("mount", "see ../q", "REAL/q"),
        ),
        ('[[files]]\nsource = "../q"\ntarget = "/s"\n', ("file", "../q", "REAL/q")),
        ('[[files]]\nsource = "a/../../q"\ntarget = "/s"\n', ("file", "a/../../q", "REAL/q")),
        (
            '[[debian.archive]]\nuri = "http://a.example"\nsuite = "x"\nkey = "k.asc"\n',
            ("archive", "http://a.example x main, key k.asc", "digest of /p/k.asc"),
        ),
    ],
)
def test_each_reach_is_named_with_where_it_leads(text, want):
    found = wants(
        HEAD + text,
        real_path=lambda path: path if path.startswith("/home") else f"REAL{path}",
        key_digest=lambda path: f"digest of {path}",
    )
    assert found == {want}


def test_a_project_that_holds_the_home_is_a_reach():
    spec = parse(HEAD.encode(), "x.toml")
    for directory in ("/home/me", "/home"):
        assert [one.kind for one in reach_of(spec, directory, "/home/me", str).wants] == ["project"]
    assert not reach_of(spec, "/home/me/p", "/home/me", str).wants


def test_no_text_of_a_spec_hides_another_one():
    spec = parse(f'{HEAD}[[mounts]]\nsource = "/a\u202eb"\ntarget = "/s"\n'.encode(), "x.toml")
    assert "\\u202e" in str(reach_of(spec, "/p", "/home/me").wants[0])


@pytest.fixture
def write(tmp_path, empty_home, monkeypatch):
    del empty_home
    monkeypatch.delenv(consent.VARIABLE, raising=False)
    path = tmp_path / "project" / "envforge.toml"
    path.parent.mkdir(mode=0o755)

    def written(text):
        path.write_text(HEAD + text)
        path.chmod(0o644)
        return open_project(str(path), None)

    return written


ONE = '[shell]\npass = ["A"]\n'
TWO = '[shell]\npass = ["A", "B"]\n'


def test_growth_asks_for_what_is_new_and_shrinking_does_not_ask(write):
    consent.require(write(""))
    with pytest.raises(ConsentError):
        consent.require(write(ONE))
    project = write(TWO)
    consent.allow(project, project.reach)
    consent.require(project)
    consent.require(write(ONE))
    consent.require(write(TWO))
    missing = consent.missing(write('[shell]\npass = ["A", "B", "C"]\n'))
    assert [one.text for one in missing] == ["C"]
    assert consent.revoke(project)
    assert len(consent.missing(project)) == 2
    assert not consent.revoke(project)


def test_only_what_a_step_acts_on_is_asked_for(write):
    project = write(ONE)
    consent.require(project, consent.LOCKING)
    consent.require(project, consent.BUILDING)
    outside = write('[[files]]\nsource = "../x"\ntarget = "/x"\n')
    consent.require(outside, consent.LOCKING)
    with pytest.raises(ConsentError):
        consent.require(outside, consent.BUILDING)


def test_the_variable_allows_everything_or_exactly_one_reach(write, monkeypatch):
    one, two = write(ONE), write(TWO)
    monkeypatch.setenv(consent.VARIABLE, one.reach.digest)
    consent.require(one)
    with pytest.raises(ConsentError):
        consent.require(two)
    monkeypatch.setenv(consent.VARIABLE, "1")
    consent.require(two)
    monkeypatch.setenv(consent.VARIABLE, "yes")
    with pytest.raises(ConsentError):
        consent.require(one)


def test_another_target_of_a_link_is_another_reach(write, tmp_path):
    link = tmp_path / "link"
    link.symlink_to("a")
    text = f'[[mounts]]\nsource = "{link}"\ntarget = "/x"\n'
    project = write(text)
    consent.allow(project, project.reach)
    link.unlink()
    link.symlink_to("b")
    with pytest.raises(ConsentError):
        consent.require(write(text))


def test_what_is_allowed_is_for_one_owner(write):
    project = write(ONE)
    consent.allow(project, project.reach)
    assert consent.missing(evolve(project, owner=12345))


def test_what_is_allowed_is_kept_privately(write):
    project = write(ONE)
    consent.allow(project, project.reach)
    directory = f"{config.state_directory()}/allowed"
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    assert [stat.S_IMODE(os.stat(f"{directory}/{name}").st_mode) for name in os.listdir(directory)] == [0o600]
    assert [one.spec for one in consent.everything()] == [project.spec_path]


def test_a_lock_brings_no_archive_that_the_spec_does_not_name(write):
    project = write("")

    def lock(uri):
        archive = LockedArchive("x", "x", "2026-01-01T00:00:00Z", "f" * 40, uri)
        return lock_of(Request("bookworm", (), (), ()), Closure("amd64", (archive,), ()))

    consent.require_lock(project, lock(""))
    with pytest.raises(LockError):
        consent.require_lock(project, lock("http://evil.example"))
