"""The reader of locks' TOML gives what tomllib gives, for whatever text."""

import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from envforge.lock import toml

GOLDEN = sorted(Path(__file__).parents[1].glob("golden/locks/*.lock"))
PIECES = (
    "a", "b", "-", "_", "1", "0", ".", " ", "=", " = ", '"', "'", "[", "]", "[[", "]]", "{ ", " }", ", ", ",",
    "\n", "    ", "#", "true", "false", "[]", "\\n", "\\", "\t", "\r", "\x7f", "é", '"""', "1.5", "+1", "_1",
    "[a]\n", "[a.b]\n", '[a."b"]\n', "a = 1\n", 'b = "x"\n', "a = [\n", '    "x",\n', "]\n", "\ufeff",
    '    { a = "x", b = "y" },\n',
)  # fmt: skip
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def same(text: str) -> None:
    """Insist that both read a text alike, or both refuse it."""
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(tomllib.TOMLDecodeError):
            toml.loads(text.encode())
    else:
        assert repr(toml.loads(text.encode())) == repr(expected)


@SLOW
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@example("[a.b]\n[a]\n")
@example("a = 1\na = 2\n")
@example("[a]\n[a]\n")
@example("a = []\n[a.b]\n")
@example('[."a"]\n')
@example('["a"."b".c]\nd = 1')
@example('["a""b"]\n')
@example('a = [\n    "x"\n]')
@example('a = [\n    { a = "x", a = "y" },\n]')
@example("a = 007")
@example('a = ""\n"" = "b"')
def test_whatever_is_written(text: str) -> None:
    same(text)


KEYS = st.text('ab-_.+@: é"\\', min_size=1, max_size=5)
TEXTS = st.text(max_size=8)
VALUES = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(-10, 10**20),
    st.lists(TEXTS, max_size=3),
    st.lists(st.dictionaries(KEYS, TEXTS, max_size=3), max_size=2),
    st.floats(allow_nan=False),
)
TABLES = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=4),
    lambda below: st.dictionaries(KEYS, st.one_of(VALUES, below), max_size=4),
    max_leaves=12,
)


@SLOW
@given(TABLES)
def test_whatever_is_written_of_tables(table: dict[str, object]) -> None:
    same(tomli_w.dumps(table))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_locks_are_read_without_tomllib(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = tomllib.loads(path.read_text())
    monkeypatch.setattr(tomllib, "loads", None)
    assert toml.loads(path.read_bytes()) == expected


@SLOW
@given(st.sampled_from(GOLDEN), st.data())
def test_locks_that_somebody_edited(path: Path, data: st.DataObject) -> None:
    text = path.read_text()
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, min(at + 30, len(text))))
    same(text[:at] + data.draw(st.lists(st.sampled_from(PIECES), max_size=2).map("".join)) + text[end:])


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(UnicodeDecodeError):
        toml.loads(b'a = "\xff"')
