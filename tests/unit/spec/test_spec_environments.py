"""Several environments in a spec: what each of them says, and where their mistakes are told."""

import pytest

from envforge.errors import SpecError
from envforge.spec.parse import parse, parse_all

TEXT = """\
name = "shop"
[debian]
suite = "bookworm"
packages = ["git"]
[variables]
A = "1"
B = "1"
[shell]
command = ["zsh"]
pass = ["EDITOR"]

[environments.db]
[environments.db.debian]
suite = "trixie"
packages = ["postgresql"]

[environments.test]
extends = "default"
[environments.test.debian]
packages = ["jq"]
[environments.test.variables]
B = "2"
[environments.test.shell]
command = ["bash"]
pass = ["CI"]

[environments.deep]
extends = "test"
[environments.deep.network]
mode = "none"
"""


def test_each_says_what_it_has_and_extends():
    specs = parse_all(TEXT.encode(), "x")
    assert list(specs) == ["default", "db", "test", "deep"]
    assert {spec.name for spec in specs.values()} == {"shop"}
    assert specs["default"] == parse(TEXT.encode(), "x")
    assert (specs["db"].debian.suite, specs["db"].debian.packages) == ("trixie", ("postgresql",))
    assert specs["db"].variables == {}
    test = specs["test"]
    assert (test.debian.suite, test.debian.packages) == ("bookworm", ("git", "jq"))
    assert test.variables == {"A": "1", "B": "2"}
    assert (test.shell.command, test.shell.pass_) == (("bash",), ("EDITOR", "CI"))
    assert specs["deep"].debian == test.debian
    assert (specs["deep"].network.mode, test.network.mode) == ("none", "host")


def test_another_version_of_a_package_goes_in_the_place_of_the_one_that_is_extended():
    text = TEXT.replace('packages = ["jq"]', 'packages = ["git=1:2.*"]')
    assert parse_all(text.encode(), "x")["test"].debian.packages == ("git=1:2.*",)


def test_a_spec_without_them_has_one():
    text = 'name = "x"\n[debian]\nsuite = "bookworm"\n'
    assert list(parse_all(text.encode(), "x")) == ["default"]


HEAD = 'name = "x"\n[debian]\nsuite = "bookworm"\npackages = ["jq=1"]\n'
WRONG = {
    "[environments.db]\n": ["x:5:15: environments.db.debian: is missing; write the table, or extends"],
    "[environments.db]\nextend = 1\n": ["x:6:1: environments.db.extend: unknown key; did you mean extends?"],
    '[environments.db]\nextends = "default"\npython = 1\n': [
        "x:7:1: environments.db.python: unknown key; known here: extends, debian, "
    ],
    '[enviroments.db]\nextends = "default"\n': [
        "x:5:2: enviroments: unknown key; did you mean environments?"
    ],
    "[environments]\na = 3\n": ["x:6:5: environments.a: must be a table; write [environments.a]"],
    "[[environments]]\n": ["x:5:3: environments: must be a table; write [environments.NAME]"],
    '[environments.db.debian]\nsuite = "Bookworm!"\n': ["x:6:9: environments.db.debian.suite: "],
    '[environments.db]\nextends = "default"\n[environments.db.debian]\npackages = ["B!"]\n': [
        "x:8:13: environments.db.debian.packages[0]: "
    ],
    '[environments.db]\nextends = "default"\n[environments.db.debian]\npackages = ["jq=1", "jq=2"]\n': [
        'x:8:21: environments.db.debian.packages[1]: "jq=2" contradicts'
    ],
    '[environments.db]\nextends = "defualt"\n': [
        'x:6:11: environments.db.extends: there is no environment "defualt"; did you mean "default"?'
    ],
    '[environments.a]\nextends = "b"\n[environments.b]\nextends = "a"\n': [
        "x:8:11: environments.b.extends: goes in a circle: a -> b -> a",
        "x:6:11: environments.a.extends: goes in a circle: b -> a -> b",
    ],
    '[environments.a]\nextends = "a"\n': ["goes in a circle: a -> a"],
    "[environments.a]\nextends = 1\n": ["must be a text"],
    '[environments.default]\nextends = "a"\n': ["x:5:15: environments.default: the spec's own tables"],
    '[environments."A b"]\nextends = "default"\n': ["environments."],
    '[environments.a]\nextends = "default"\nname = "y"\n': [
        "x:7:1: environments.a.name: belongs to the whole"
    ],
    '[environments.a]\nextends = "default"\n[environments.a.shel]\nuser = "root"\n': [
        "environments.a.shel: unknown key; did you mean shell?"
    ],
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_are_told_where_they_are(text):
    with pytest.raises(SpecError) as caught:
        parse_all((HEAD + text).encode(), "x")
    for part in WRONG[text]:
        assert part in caught.value.message


def test_what_is_inherited_is_told_once():
    text = 'name = "x"\n[debian]\nsuite = "no!"\n[environments.a]\nextends = "default"\n'
    with pytest.raises(SpecError) as caught:
        parse_all(text.encode(), "x")
    assert len(caught.value.message.splitlines()) == 1
