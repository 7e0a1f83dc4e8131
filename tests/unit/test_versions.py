"""Versions sort as dpkg sorts them: deb-version(7), and what dpkg's own tests hold."""

import shutil
import subprocess
from itertools import pairwise, product

import pytest

from envforge.sources.debian.dpkg.versions import key, satisfies

SORTED = [
    *("0:0.9~~", "0.9~~a", "0.9~", "0.9", "0.9a", "0.9+", "0.9.", "1.0~rc1-1", "1.0-1~bpo12+1", "1.0-1"),
    *(
        "1.0-1+b1",
        "1.0-1+deb12u1",
        "1.0-1.1",
        "1.0a-1",
        "1.0+dfsg-1",
        "1.0-1-1",
        "1.2",
        "1.10",
        "1:0.1",
        "2:0",
    ),
]
EQUAL = [("1.0", "1.0-0"), ("01.0", "1.0"), ("0:1.0", "1.0"), ("1.", "1.0"), ("1.0-0001", "1.0-1")]


def order(one, other):
    return (key(one) > key(other)) - (key(one) < key(other))


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_ones(one, other):
    assert order(one, other) == 0
    assert satisfies(one, "=", other)
    assert not satisfies(one, ">>", other)


@pytest.mark.parametrize(
    ("operator", "holds"), [("<<", "<"), ("<=", "<="), ("=", "="), (">=", ">="), (">>", ">")]
)
def test_relations(operator, holds):
    assert satisfies("1.0", operator, "1.1") == ("<" in holds)
    assert satisfies("1.0", operator, "1.0-0") == ("=" in holds)
    assert satisfies("1.1", operator, "1.0") == (">" in holds)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="needs dpkg, to compare with")
def test_as_dpkg_compares():
    some = [*SORTED[::2], *EQUAL[0], *EQUAL[3]]
    for one, other in product(some, some):
        code = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode
        assert satisfies(one, "<<", other) == (code == 0), f"{one} << {other}"


def test_sorted_ones():
    assert [order(*pair) for pair in pairwise(SORTED) if order(*pair) != -1] == []
