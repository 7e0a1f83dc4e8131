"""Whatever passes the grammar is safe where it is used: as a name in a directory, a line, a path."""

import os
import tempfile

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from envforge.errors import ArchiveError
from envforge.sources.debian.dpkg import policy

COMPONENTS = (policy.PACKAGE, policy.VERSION, policy.ARCHITECTURE, policy.MEMBER, policy.USER)
PATHS = (policy.PATH, policy.ARCHIVE_PATH)
HOSTILE = some.text(some.sampled_from("a1.-+:~_/\n\0 \r\\$\u2028\x7fé"), max_size=12) | some.text(max_size=12)


def fits(rule):
    return some.from_regex(rule.pattern, fullmatch=True).filter(rule.allows)


@pytest.mark.parametrize("rule", COMPONENTS, ids=lambda rule: rule.what)
@given(some.data())
def test_a_name_is_one_component_of_a_path(rule, data):
    name = data.draw(fits(rule) | HOSTILE)
    assume(rule.allows(name))
    assert os.path.basename(name) == name
    assert name not in ("", ".", "..")
    assert not name.startswith(("-", "."))
    assert len(f"{name}:{name}".encode()[:200]) <= 255
    assert len(name.split()) == 1
    assert name.isprintable()
    with tempfile.TemporaryDirectory() as directory, open(f"{directory}/{name}", "xb"):
        assert os.listdir(directory) == [name]


@pytest.mark.parametrize("rule", PATHS, ids=lambda rule: rule.what)
@given(some.data())
def test_a_path_stays_below_its_root(rule, data):
    path = data.draw(fits(rule) | HOSTILE | HOSTILE.map("/{}".format))
    assume(rule.allows(path))
    assert os.path.normpath(f"/root/{path}").startswith("/root/")
    assert ".." not in path.split("/")
    assert "\n" not in path
    assert "\0" not in path


@given(HOSTILE | HOSTILE.map("/{}".format))
def test_a_trigger_is_a_path_or_a_name(text):
    try:
        policy.trigger(text)
    except ArchiveError:
        return
    assert len(text.split()) == 1
    assert text.startswith("/") or policy.PACKAGE.allows(text)
    assert ".." not in text.split("/")
