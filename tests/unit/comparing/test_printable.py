import pytest

from envforge.units import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü ✓", "plain ü ✓"),
        ("a\tb", "a\tb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m", "\\x9b31m"),
        ("\r\n", "\\x0d\\x0a"),
        ("\u202ex", "\\u202ex"),
        ("\udcff", "\\xff"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_moves_hides_or_reorders_is_escaped(text, shown):
    assert printable(text) == shown
