from locks import lock_of

from envforge.cli.commands.project import change_lines
from envforge.lock.changes import Change, changes
from envforge.sources.debian.model import Closure, LockedPackage, Request


def lock(**versions):
    packages = tuple(
        LockedPackage(name, version, "amd64", "bookworm", "x.deb", 1, "0" * 64, asked=name == "git")
        for name, version in sorted(versions.items())
    )
    request = Request("bookworm", (), ("main",), ("git",))
    return lock_of(request, Closure("amd64", (), packages))


def lines(old, new):
    return change_lines(changes(old, new), first=old is None)


def test_changes_are_named_one_a_line():
    assert lines(lock(git="1", libc6="2"), lock(git="1.1", libc6="2", zlib1g="3")) == (
        "git 1 -> 1.1",
        "zlib1g (none) -> 3",
    )


def test_what_goes_is_named_even_when_all_else_comes():
    assert "apt 1 -> (none)" in lines(lock(apt="1"), lock(git="1"))


def test_a_first_lock_names_what_was_asked_for():
    assert lines(None, lock(git="1", libc6="2", zlib1g="3"))[0] == "git (none) -> 1"
    assert len(lines(None, lock(git="1", libc6="2", zlib1g="3"))) == 2


def test_nothing_is_said_to_be_nothing():
    assert lines(lock(git="1"), lock(git="1")) == ("no changes",)


def test_of_a_new_environment_only_what_was_asked_for_is_named():
    added = (
        Change("curl", "", "8", asked=True, environment="test"),
        Change("git", "1", "2", environment="default"),
        Change("git", "", "2", environment="test"),
        Change("libc6", "", "2", environment="test"),
    )
    assert change_lines(added, new={"test"}) == (
        "curl (none) -> 8  (test)",
        "git 1 -> 2  (default)",
        "2 more that they need, or that every system has",
    )


def test_what_changes_alike_in_several_environments_is_one_line():
    both = [Change("git", "1", "2", environment=name) for name in ("default", "test")]
    other = Change("git", "1", "3", environment="db")
    assert change_lines([*both, other]) == ("git 1 -> 2  (default, test)", "git 1 -> 3  (db)")
