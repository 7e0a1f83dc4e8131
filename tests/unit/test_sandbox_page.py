"""The page about the sandbox follows the filter and the bounds."""

from pathlib import Path

from envforge.kernel.seccomp import system_calls
from envforge.kernel.seccomp_page import END, START, updated
from envforge.sandbox import mounts

PAGE = Path(__file__).parents[2] / "specs" / "sandbox.md"


def test_the_listing_is_current():
    text = PAGE.read_text()
    assert text == updated(text), "run `python -m envforge.kernel.seccomp_page`"


def test_every_call_is_on_the_page_once():
    part = PAGE.read_text().partition(START)[2].partition(END)[0]
    for call in system_calls():
        assert part.count(f"`{call.name}`") == 1, call.name


def test_the_bounds_are_what_the_page_says():
    assert (mounts.TMP_BOUNDS, mounts.SHM_BOUNDS, mounts.RUN_BOUNDS) == (
        "size=50%,nr_inodes=500k",
        "size=25%,nr_inodes=50k",
        "size=10%,nr_inodes=50k",
    )
