import pytest

from envforge.compare import why
from envforge.errors import NotFoundError
from envforge.sources.interface import Package


def package(name, *needs, asked=False, source="debian"):
    return Package(source, name, "1", "all", "0" * 64, 1, asked, needs)


PACKAGES = (
    package("app", "lib", asked=True),
    package("bash", "libc"),
    package("circle", "circle2"),
    package("circle2", "circle"),
    package("direct", "libc", asked=True),
    package("lib", "libc", "deep"),
    package("deep", "libc"),
    package("libc"),
    package("tar", "bash"),
)


def names(chains):
    return [[one.name for one in chain] for chain in chains]


def test_chains_lead_from_what_was_asked_for_the_shortest_first():
    (found,) = why.reasons(PACKAGES, "libc")
    assert names(found.chains) == [["direct", "libc"], ["app", "lib", "libc"]]
    assert not found.base


def test_what_was_asked_for_says_so():
    (found,) = why.reasons(PACKAGES, "app")
    assert found.asked
    assert names(found.chains) == [["app"]]


def test_what_nobody_asked_for_is_the_minimal_system():
    (found,) = why.reasons(PACKAGES, "bash")
    assert found.base
    assert names(found.base_chains) == [["tar", "bash"]]


def test_circles_end():
    (found,) = why.reasons(PACKAGES, "circle")
    assert found.base
    assert not found.base_chains


def test_a_name_in_two_sources_has_two_reasons():
    found = why.reasons((*PACKAGES, package("app", asked=True, source="fetch")), "app")
    assert [one.package.source for one in found] == ["debian", "fetch"]
    (only,) = why.reasons((*PACKAGES, package("app", asked=True, source="fetch")), "fetch:app")
    assert only.package.source == "fetch"


def test_an_unknown_name_suggests_near_ones():
    with pytest.raises(NotFoundError) as failure:
        why.reasons(PACKAGES, "lbic")
    assert "libc" in failure.value.hint
