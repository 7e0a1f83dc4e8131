"""The sweep's groups follow from seed and archive alone."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from tests.sweep import archive, left, popular, setups, trial

_STANZA = "Package: {name}\nSection: {section}\nInstalled-Size: {size}\nPriority: {priority}\n{more}\n"


def _stanza(name, *, section="misc", size=1024, priority="optional", more=""):
    return _STANZA.format(name=name, section=section, size=size, priority=priority, more=more)


@pytest.fixture
def base(tmp_path):
    lists = tmp_path / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    stanzas = [_stanza(f"p{number}") for number in range(20)]
    stanzas += [
        _stanza("linux-image", section="kernel"),
        _stanza("tool-dbg", section="contrib/debug"),
        _stanza("base", priority="required"),
        _stanza("fat", size=2 << 20),
        _stanza("pulls", more="Depends: none | virtual (>= 1), base\n"),
        _stanza("real", size=3 << 20, more="Provides: virtual (= 1)\n"),
    ]
    (lists / "mirror_Packages").write_text("\n".join(stanzas))
    return str(tmp_path)


def test_same_seed_same_groups(base):
    known = archive.read(base)
    assert archive.draw(known, 7, 3, 4) == archive.draw(known, 7, 3, 4)
    assert archive.draw(known, 7, 3, 4) != archive.draw(known, 8, 3, 4)


def test_more_groups_begin_with_the_same_ones(base):
    known = archive.read(base)
    assert archive.draw(known, 7, 4, 4).groups[:2] == archive.draw(known, 7, 2, 4).groups


def test_what_is_left_out(base):
    drawn = archive.draw(archive.read(base), 1, 20, 1)
    names = {name for group in drawn.groups for name in group}
    assert names == {f"p{number}" for number in range(20)}
    assert set(drawn.too_large) == {"fat", "pulls", "real"}


def test_the_list_of_what_dockerfiles_ask_for():
    names = [name for text in popular.POPULAR.values() for name in text.split()]
    assert len(names) == len(set(names)) == 300
    batches = dict(popular.batches({"git", "g++", "curl", "zlib1g-dev"}))
    assert sorted(name for batch in batches.values() for name in batch) == [
        "curl",
        "g++",
        "git",
        "zlib1g-dev",
    ]


def test_groups_of_some_sections(base):
    drawn = archive.draw(archive.read(base), 1, 20, 1, ["kernel", "debug", "none"])
    assert drawn.groups == ()


def test_a_lock_without_outputs_still_pins():
    outputs = '[environments.{}.outputs.amd64]\nruntime = "r"\nlayers = [\n    "rest 0",\n]\n\n'
    before = 'format = 2\n\n[environments.default.request.debian]\npackages = [\n    "a",\n]\n\n'
    rest = '[debian.packages.amd64]\na = "1"\n'
    lock = before + outputs.format("default") + outputs.format("a-b") + rest
    assert setups._OUTPUTS.sub("", lock) == before + rest


def test_listings_that_differ_are_named(tmp_path):
    built = []
    for name, mode in (("one", "0644"), ("other", "0600")):
        layer = tmp_path / name / "layers/true" / name
        layer.mkdir(parents=True)
        (layer / "listing").write_text(f"envforge-listing 1\nf {mode} /a\nf 0644 /b\n")
        built.append(setups.Built(name, (name,), str(tmp_path / name)))
    assert list(trial.differing(*built)) == ["- f 0644 /a", "+ f 0600 /a"]


def test_what_is_known_is_no_fault(monkeypatch):
    entry = left.Left(trial.PATHS, ("known",), ("trixie",), "a reason")
    monkeypatch.setattr(left, "LEFT", (entry,))
    assert left.reasons("trixie", ["a", "known"], [trial.PATHS]) == ["a reason"]
    assert left.reasons("bookworm", ["known"], [trial.PATHS]) == []
    assert left.reasons("trixie", ["known"], [trial.PATHS, trial.DIGESTS]) == []
    assert left.reasons("trixie", ["a"], [trial.PATHS]) == []
