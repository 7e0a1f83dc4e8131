"""Editing the list of packages: what is asked for changes, and not a character more."""

import pytest

from envforge.errors import NotFoundError, SpecError
from envforge.spec.editing.packages import add_packages, own_packages, remove_packages
from envforge.spec.parse import parse

HEAD = 'name = "x"  # mine\n\n[debian]\n  suite   = "bookworm"\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('packages = ["git", "curl"]', 'packages = ["git", "curl", "jq"]'),
        ("packages = ['git']", "packages = ['git', 'jq']"),
        ('packages = [ "git" ] # tools', 'packages = [ "git", "jq" ] # tools'),
        ('packages = ["git", ]', 'packages = ["git", "jq", ]'),
        ("packages = []", 'packages = ["jq"]'),
        ("packages = [ ]", 'packages = ["jq"]'),
        ("packages = [\n]", 'packages = [\n  "jq",\n]'),
        ("packages = [\n  # none yet\n  ]", 'packages = [\n  # none yet\n    "jq",\n  ]'),
        (
            'packages = [\n\t"git", # vcs\n\t"curl", # http\n]',
            'packages = [\n\t"git", # vcs\n\t"curl", # http\n\t"jq",\n]',
        ),
        (
            'packages = [\n    "git",\n    "curl" # last\n    # end\n]',
            'packages = [\n    "git",\n    "curl", # last\n    "jq"\n    # end\n]',
        ),
        (
            'packages = ["git",\n            "curl"]',
            'packages = ["git",\n            "curl",\n            "jq"]',
        ),
        (
            'packages = [\n  "a1", "b1",\n  "c1", "d1",\n]',
            'packages = [\n  "a1", "b1",\n  "c1", "d1", "jq",\n]',
        ),
    ],
)
def test_adding_to_a_list(before: str, after: str):
    tail = "\nrecommends = true\n\n[shell]\nhome = 'host'\n"
    assert add_packages(HEAD + before + tail, ["jq"]) == HEAD + after + tail
    windows = add_packages((HEAD + before + tail).replace("\n", "\r\n"), ["jq"])
    assert windows == (HEAD + after + tail).replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[debian]\nsuite = "sid"', '[debian]\nsuite = "sid"\npackages = ["jq"]\n'),
        (
            '[debian]\nsuite = "sid" # x\n\n[shell]\n',
            '[debian]\nsuite = "sid" # x\npackages = ["jq"]\n\n[shell]\n',
        ),
        ('debian = { suite = "sid" }\n', 'debian = { suite = "sid", packages = ["jq"] }\n'),
        ("debian = {}\n", 'debian = { packages = ["jq"] }\n'),
        ('debian.suite = "sid"\n[shell]\n', 'debian.suite = "sid"\ndebian.packages = ["jq"]\n[shell]\n'),
        ("[debian]\n[shell]\n", '[debian]\npackages = ["jq"]\n[shell]\n'),
        (
            "[debian]\nsuite = 'sid'\n[[debian.archive]]\nuri = 'x'\n",
            "[debian]\nsuite = 'sid'\npackages = ['jq']\n[[debian.archive]]\nuri = 'x'\n",
        ),
        ('name = "x"\n', 'name = "x"\n\n[debian]\nsuite = "trixie"\npackages = ["jq"]\n'),
        ('name = "x"', 'name = "x"\n\n[debian]\nsuite = "trixie"\npackages = ["jq"]\n'),
        ("", '[debian]\nsuite = "trixie"\npackages = ["jq"]\n'),
    ],
)
def test_adding_where_there_is_no_list(before: str, after: str):
    assert add_packages(before, ["jq"]) == after


def test_adding_several():
    assert add_packages('debian.packages = ["git"]\n', ["jq", "curl=7.*", "jq"]) == (
        'debian.packages = ["git", "jq", "curl=7.*"]\n'
    )


@pytest.mark.parametrize(
    ("before", "request_", "after"),
    [
        ('["git", "nodejs", "jq"]', "nodejs=18.*", '["git", "nodejs=18.*", "jq"]'),
        ("['nodejs=18.*'] # x", "nodejs=20.*", "['nodejs=20.*'] # x"),
        ('["nodejs=18.*"]', "nodejs", '["nodejs=18.*"]'),
        ('["nodejs"]', "nodejs", '["nodejs"]'),
    ],
)
def test_pins(before: str, request_: str, after: str):
    assert add_packages(f"debian.packages = {before}\n", [request_]) == f"debian.packages = {after}\n"


@pytest.mark.parametrize("request_", ["Git", "a b", "", "nodejs>=18", 'x"y', "git:i386"])
def test_malformed_requests_are_refused(request_: str):
    with pytest.raises(SpecError):
        add_packages("debian.packages = []\n", [request_])


@pytest.mark.parametrize(
    "text", ["a = [", "debian = 3\n", "debian.packages = 'x'\n", "debian.packages = [3]\n"]
)
def test_texts_without_room_for_packages_are_refused(text: str):
    with pytest.raises(SpecError):
        add_packages(text, ["jq"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('["git", "jq", "curl"]', '["git", "curl"]'),
        ('["jq", "git"]', '["git"]'),
        ('["git", "jq"]', '["git"]'),
        ('["git", "jq", ]', '["git", ]'),
        ('["jq"]', "[]"),
        ('["jq=1.*", "git"]', '["git"]'),
        ('["jq", "git", "jq"]', '["git"]'),
        ('[\n  "git", # vcs\n  "jq", # json\n  "curl", # http\n]', '[\n  "git", # vcs\n  "curl", # http\n]'),
        ('[\n  "git", # vcs\n  # last\n  "jq" # json\n]', '[\n  "git", # vcs\n  # last\n]'),
        ('[\n  "jq"\n]', "[\n]"),
        ('["git", # vcs\n "jq"]', '["git", # vcs\n ]'),
        ('["jq", # json\n "git"]', '[ # json\n "git"]'),
        ('["git",\n "jq"]', '["git"]'),
        ('["jq",\n "git"]', '["git"]'),
        ('[\n  "a1", "jq",\n  "c1",\n]', '[\n  "a1",\n  "c1",\n]'),
        ('[\n    "a1"\n  , "jq"\n  , "c1"\n]', '[\n    "a1"\n  , "c1"\n]'),
        ('[\n    "jq"\n  , "c1"\n]', '[\n    "c1"\n]'),
        ('[\n    "jq" # json\n  , "c1"\n]', '[\n     # json\n   "c1"\n]'),
    ],
)
def test_removing(before: str, after: str):
    tail = "\n# the end\n"
    assert remove_packages(f"debian.packages = {before}{tail}", ["jq"]) == f"debian.packages = {after}{tail}"


def test_removing_what_is_not_there():
    with pytest.raises(NotFoundError) as caught:
        remove_packages('debian.packages = ["build-essential", "git"]\n', ["build-esential", "zzz"])
    assert "build-esential, zzz" in caught.value.message
    assert caught.value.hint == "did you mean build-essential?"
    with pytest.raises(NotFoundError):
        remove_packages('name = "x"\n', ["git"])


def test_what_was_added_and_removed_is_gone():
    text = HEAD + 'packages = [\n  "git",\n]\n'
    assert remove_packages(add_packages(text, ["jq", "curl"]), ["curl", "jq"]) == text


def test_an_edited_spec_parses():
    text = add_packages(HEAD, ["jq", "nodejs=18.*"])
    assert parse(text.encode(), "f").debian.packages == ("jq", "nodejs=18.*")


OTHER = 'extends = "default"'
IN_ENVIRONMENTS = [
    (
        '[environments.t.debian]\npackages = [\n  "git", # why\n]\n',
        '[environments.t.debian]\npackages = [\n  "git", # why\n  "jq",\n]\n',
    ),
    (
        f"[environments.t] # tests\n{OTHER}\n\n[environments.u]\n{OTHER}\n",
        (
            f'[environments.t] # tests\n{OTHER}\n\n[environments.t.debian]\npackages = ["jq"]\n\n'
            f"[environments.u]\n{OTHER}\n"
        ),
    ),
    (
        f'[environments.t]\n{OTHER}\n[[environments.t.files]]\nsource = "a"\ntarget = "/a"',
        (
            f'[environments.t]\n{OTHER}\n[[environments.t.files]]\nsource = "a"\ntarget = "/a"\n\n'
            '[environments.t.debian]\npackages = ["jq"]\n'
        ),
    ),
    (
        f"[environments.t]\n{OTHER}\n[environments.t.debian]\nrecommends = true\n[environments.u]\n{OTHER}\n",
        f"[environments.t]\n{OTHER}\n[environments.t.debian]\nrecommends = true\npackages = ['jq']\n"
        f"[environments.u]\n{OTHER}\n".replace("'", '"'),
    ),
    (
        f"[environments]\nt.{OTHER}\nu.{OTHER}\n",
        f'[environments]\nt.{OTHER}\nt.debian.packages = ["jq"]\nu.{OTHER}\n',
    ),
    (
        f"[environments]\nt = {{ {OTHER} }}\n",
        f'[environments]\nt = {{ {OTHER}, debian.packages = ["jq"] }}\n',
    ),
    (
        f"[environments]\nt = {{ {OTHER}, debian = {{ recommends = true }} }}\n",
        f'[environments]\nt = {{ {OTHER}, debian = {{ recommends = true, packages = ["jq"] }} }}\n',
    ),
    (
        f"[environments.t]\n{OTHER}\ndebian.recommends = true\n",
        f'[environments.t]\n{OTHER}\ndebian.recommends = true\ndebian.packages = ["jq"]\n',
    ),
    (
        f"[environments.t.debian]\nrecommends = true\n[environments.t]\n{OTHER}\n",
        f'[environments.t.debian]\nrecommends = true\npackages = ["jq"]\n[environments.t]\n{OTHER}\n',
    ),
]


@pytest.mark.parametrize(("before", "after"), IN_ENVIRONMENTS)
def test_adding_to_another_environment(before: str, after: str):
    edited = add_packages(f"{HEAD}{before}", ["jq"], "t")
    assert edited == f"{HEAD}{after}"
    assert "jq" in own_packages(edited, "t")
    assert own_packages(edited) == ()


def test_a_table_on_the_first_line_is_found():
    text = f"environments.t.{OTHER}\ndebian.suite = 'sid'\n"
    assert add_packages(text, ["jq"], "t") == (
        f"environments.t.{OTHER}\nenvironments.t.debian.packages = [\"jq\"]\ndebian.suite = 'sid'\n"
    )


def test_what_was_added_to_an_environment_and_removed_is_gone():
    text = (
        HEAD + f'packages = ["git"]\n[environments.t]\n{OTHER}\n[environments.t.debian]\npackages = ["a1"]\n'
    )
    assert remove_packages(add_packages(text, ["jq", "git"], "t"), ["git", "jq"], "t") == text


def test_removing_what_an_environment_inherits_says_where_it_comes_from():
    text = HEAD + f'packages = ["git"]\n[environments.t]\n{OTHER}\ndebian.packages = ["jq"]\n'
    text += '[environments.u]\nextends = "t"\n'
    for name, command in (("git", "envforge remove git"), ("jq", "envforge remove -E t jq")):
        with pytest.raises(NotFoundError) as caught:
            remove_packages(text, [name], "u")
        assert caught.value.message == f"not in environments.u.debian.packages: {name}"
        assert f"`{command}`" in caught.value.hint
    with pytest.raises(NotFoundError) as caught:
        remove_packages(text, ["zzz"], "u")
    assert caught.value.hint == ""
