from attrs import evolve

from envforge.compare import packages
from envforge.sources.interface import Package


def package(name, version="1", sha256="", **more):
    fields = {"source": "debian", "architecture": "amd64", "size": 10, "asked": False, **more}
    return Package(name=name, version=version, sha256=sha256 or f"{name}-{version}", **fields)


def test_added_removed_and_changed_with_what_was_asked_for_first():
    old = [package("a"), package("gone"), package("moved", "1", size=100)]
    new = [package("a"), package("come", asked=True), package("moved", "2", size=150)]
    found = packages.changes(old, new)
    assert [(one.kind, one.package.name, one.asked) for one in found] == [
        ("added", "come", True),
        ("removed", "gone", False),
        ("changed", "moved", False),
    ]
    assert found[2].size_delta == 50


def test_equal_packages_do_not_differ_and_both_ways_are_the_same():
    old, new = [package("a"), package("b")], [package("b", "2"), package("c")]
    assert not packages.changes(old, list(old))
    forth = [(one.old, one.new) for one in packages.changes(old, new)]
    assert forth == [(one.new, one.old) for one in packages.changes(new, old)]


def test_other_bytes_of_a_version_and_being_asked_for_are_changes():
    old = package("a")
    assert packages.changes([old], [evolve(old, sha256="other")])
    assert packages.changes([old], [evolve(old, asked=True)])


def test_of_a_directory_only_versions_count():
    old = package("a", asked=True)
    assert not packages.changes([old], [evolve(old, sha256="", asked=False, size=0)])
    assert packages.changes([old], [evolve(old, sha256="", version="2")])


def test_packages_of_one_name_in_two_sources_are_two():
    found = packages.changes([package("tool")], [package("tool", source="fetch")])
    assert {(one.kind, one.package.source) for one in found} == {("removed", "debian"), ("added", "fetch")}


def test_the_runtime_part_differs_key_by_key():
    old = {"runtime": 1, "variables": {"A": "1", "B": "2"}, "mounts": [{"source": "x"}]}
    new = {"runtime": 1, "variables": {"A": "1", "B": "3"}, "shell": {"home": "host"}}
    found = [(one.key, one.old, one.new) for one in packages.runtime_changes(old, new)]
    assert found == [
        ("mounts", [{"source": "x"}], None),
        ("shell.home", None, "host"),
        ("variables.B", "2", "3"),
    ]
