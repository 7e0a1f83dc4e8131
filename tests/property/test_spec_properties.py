"""What holds for any spec and any bytes: only SpecErrors, true places, edits that touch nothing else."""

import re
import string
import tempfile
import tomllib

import tomli_w
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envforge.errors import SpecError
from envforge.spec.detect import propose
from envforge.spec.editing.packages import add_packages, remove_packages
from envforge.spec.grammar import NAME, slug
from envforge.spec.keys import key_of, written
from envforge.spec.model import Spec, tables
from envforge.spec.parse import parse
from envforge.spec.positions import Path, scan

KEYS = sorted({key_of(attribute).name for _, kind in tables() for attribute in kind.__attrs_attrs__})
WORDS = [
    "bookworm",
    "self",
    "root",
    "host",
    "private",
    "~/x",
    "/x",
    "../x",
    "git",
    "git=1.*",
    "main",
    "ssh-agent",
]

names = st.sampled_from([*KEYS, "limits", "A_B", "x y", "ä"]) | st.text(max_size=6)
scalars = (
    st.sampled_from(WORDS)
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.datetimes()
    | st.dates()
    | st.times()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(names, values, max_size=6)

PIECES = [
    *KEYS,
    *WORDS,
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    '"',
    "'",
    '"""',
    "'''",
    ",",
    ".",
    "#",
    "\n",
    " ",
    "1",
    "\\",
]
toml_like = st.lists(st.sampled_from(PIECES) | st.text(max_size=2), max_size=25).map("".join)


def only_spec_errors(data: bytes) -> None:
    try:
        parse(data, "f")
    except SpecError as error:
        for line in error.message.split("\n"):
            assert re.match(r"f:[1-9]\d*:[1-9]\d*: ", line), line


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_give_a_spec_or_a_spec_error(data: bytes):
    only_spec_errors(data)


@given(toml_like)
@example("a" + ".a" * 2000 + "=1")
@example("[" * 5000)
@example("a={" * 900)
@example("[[x]]\n[x]\n")
@settings(deadline=None)
def test_anything_like_toml_gives_a_spec_or_a_spec_error(text: str):
    only_spec_errors(text.encode("utf-8", "surrogatepass"))


@given(documents)
@settings(deadline=None)
def test_any_document_gives_a_spec_or_a_spec_error(document: dict):
    only_spec_errors(tomli_w.dumps(document).encode())


def leaves(value: object, path: Path = ()):
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


@given(documents)
@settings(max_examples=200, deadline=None)
def test_the_scanner_finds_every_value_where_it_stands(document: dict):
    text = tomli_w.dumps(document)
    places = scan(text)
    assert places.unfinished is None
    for path, value in leaves(document):
        if value != {}:
            start, end = places.values[path]
            assert tomllib.loads(f"v = {text[start:end]}")["v"] == value
        for end in range(1, len(path) + 1):
            if isinstance(path[end - 1], str):
                offset = places.keys[path[:end]]
                assert text.startswith(tomli_w.dumps({path[end - 1]: 0}).removesuffix(" = 0\n"), offset)


@given(toml_like)
@settings(deadline=None)
def test_the_scanner_ends_on_any_text(text: str):
    scan(text)


package_names = st.text(string.ascii_lowercase + string.digits, min_size=2, max_size=5)
gaps = st.sampled_from(["", " ", "\n", "\n  ", " # a, b ]\n  ", "\n# 'x'\n\n  ", "\t"])


@st.composite
def specs(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A spec around a list that is laid out in any way TOML allows."""
    packages = draw(st.lists(package_names, max_size=4, unique=True))
    quote = draw(st.sampled_from("'\""))
    inner = draw(gaps)
    for index, package in enumerate(packages):
        comma = "," if index + 1 < len(packages) or draw(st.booleans()) else ""
        inner += f"{quote}{package}{quote}{draw(gaps)}{comma}{draw(gaps)}"
    before = draw(
        st.sampled_from(
            [
                'name = "x"\n[debian]\nsuite = "sid"\npackages = ',
                "debian.packages=",
                "[debian]\r\n\tpackages = ",
            ]
        )
    )
    after = draw(st.sampled_from(["", "\n", " # end\n[shell]\nhome = 'host'\n", "\n\n# ü\n"]))
    return f"{before}[{inner}]{after}", packages


def comments(text: str) -> list[str]:
    return re.findall(r"#[^\r\n]*", text)


@given(specs(), package_names, st.sampled_from(["", "=1.*"]))
@settings(max_examples=300, deadline=None)
def test_adding_keeps_everything_else(spec: tuple[str, list[str]], name: str, pin: str):
    text, packages = spec
    edited = add_packages(text, [name + pin])
    expected = (
        [*packages, name + pin]
        if name not in packages
        else [name + pin if package == name else package for package in packages]
    )
    assert tomllib.loads(edited)["debian"]["packages"] == expected
    assert comments(edited) == comments(text)
    assert without_list(edited) == without_list(text)


@given(specs(), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_removing_keeps_everything_else(spec: tuple[str, list[str]], index: int):
    text, packages = spec
    if index >= len(packages):
        return
    edited = remove_packages(text, [packages[index]])
    assert tomllib.loads(edited)["debian"]["packages"] == packages[:index] + packages[index + 1 :]
    gone = len(comments(text)) - len(comments(edited))
    assert gone in (0, 1)
    assert without_list(edited) == without_list(text)


def without_list(text: str) -> tuple[str, str]:
    start, end = scan(text).values["debian", "packages"]
    return text[:start], text[end:]


@given(st.text(max_size=80))
@settings(deadline=None)
def test_a_slug_is_a_name(text: str):
    assert NAME.problem(slug(text)) == ""


@given(
    st.sampled_from(["bookworm", "sid"]),
    st.lists(package_names, max_size=3),
    st.dictionaries(
        st.from_regex(r"[A-GI-Z_]{1,5}", fullmatch=True),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
    ),
)
@settings(deadline=None)
def test_written_says_the_same_spec(suite: str, packages: list[str], variables: dict[str, str]):
    document = {"name": "x", "debian": {"suite": suite, "packages": packages}, "variables": variables}
    spec = parse(tomli_w.dumps(document).encode(), "f")
    assert isinstance(spec, Spec)
    assert parse(tomli_w.dumps(written(spec)).encode(), "f") == spec


PROJECT_FILES = [
    "package.json",
    "pyproject.toml",
    "requirements.txt",
    "go.mod",
    "Cargo.toml",
    "composer.json",
]
PROJECT_FILES += ["pom.xml", "compose.yaml", "Dockerfile", ".nvmrc"]
PROJECT_WORDS = [
    "FROM ",
    "apt install ",
    "engines",
    "node",
    "go ",
    "\nimage: ",
    '{"',
    '":',
    "}",
    "[project]\n",
    "\\\n",
]
contents = st.lists(st.sampled_from(PROJECT_WORDS) | st.text(max_size=5), max_size=10).map("".join)


@given(st.dictionaries(st.sampled_from(PROJECT_FILES), contents, max_size=4))
@settings(deadline=None)
def test_a_proposal_parses_whatever_lies_there(files: dict[str, str]):
    with tempfile.TemporaryDirectory() as directory:
        for name, text in files.items():
            with open(f"{directory}/{name}", "w", encoding="utf-8", errors="surrogatepass") as file:
                file.write(text)
        parse(propose(directory).encode(), "f")
