"""What changed in a container, laid over its layers' lines; what a system says of its packages."""

from envforge.compare.inside import listed
from envforge.compare.packages import with_locked
from envforge.compare.sides import Inside, LayerName
from envforge.sources.interface import Package

LISTED = b"f 4755 5 6 1 2 aa /a user.x=00 /b"
"""A line whose owner and mode a disk of a single id does not hold."""


def test_what_is_the_same_on_disk_is_as_it_was_listed() -> None:
    changed = b"f 0755 0 0 7 3 bb - - /b"
    assert listed._true(changed, LISTED, [1, 2, 3, 7, 8]) == b"f 4755 5 6 7 3 bb /a user.x=00 /b"
    assert listed._true(changed, LISTED, [1]) == b"f 4755 0 0 7 3 bb - - /b"
    assert listed._true(changed, None, [1]) == changed


def test_a_container_that_was_never_started_has_changed_nothing(tmp_path) -> None:
    inside = Inside(f"{tmp_path}/none", "/layers", (0, 0))
    assert listed.lay(inside, [LayerName("base", "", "ab")], [{}]) == (b"envforge-listing 1\n", [])
    assert inside.roots((LayerName("base", "", "ab"),)) == [f"{tmp_path}/none", "/layers/ab/root"]


def test_ids_of_a_shifted_root_are_those_inside() -> None:
    assert listed._id(100005, 100000) == 5
    assert listed._id(7, 100000) == 7
    assert listed._id(65534, 0) == 65534


def test_what_a_system_says_is_told_with_all_that_a_lock_knows() -> None:
    def package(source: str, name: str, version: str, sha256: str = "") -> Package:
        return Package(source, name, version, "all", sha256=sha256, size=0, asked=bool(sha256))

    locked = [
        package("debian", "a", "1", "aa"),
        package("debian", "b", "1", "bb"),
        package("fetch", "c", "1", "cc"),
    ]
    found = with_locked([package("debian", "a", "1"), package("debian", "b", "2")], locked, {"debian"})
    assert [(one.name, one.version, one.sha256) for one in found] == [
        ("a", "1", "aa"),
        ("b", "2", ""),
        ("c", "1", "cc"),
    ]
