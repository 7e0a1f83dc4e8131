"""Sizes and durations as people write them."""

import pytest

from envforge.units import bytes_of, seconds_of


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("512", 512),
        ("20GB", 20_000_000_000),
        ("1.5 GiB", 1_610_612_736),
        ("500M", 500_000_000),
        ("3kB", 3000),
        ("1T", 10**12),
        (" 7 B ", 7),
    ],
)
def test_sizes(text, count):
    assert bytes_of(text) == count


@pytest.mark.parametrize("text", ["", "GB", "-1", "1,5GB", "20 gb", "1iB", "1e9", "20GBs", "\u0663GB"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="no size"):
        bytes_of(text)


_DURATIONS = {"90s": 90, "30min": 1800, "12h": 43200, "14 d": 1209600, "2w": 1209600}


@pytest.mark.parametrize(("text", "count"), _DURATIONS.items())
def test_durations(text, count):
    assert seconds_of(text) == count


@pytest.mark.parametrize("text", ["", "14", "d", "-1d", "1.5h", "2 weeks", "1m"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="no duration"):
        seconds_of(text)
