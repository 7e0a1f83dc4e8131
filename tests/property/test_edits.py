"""Edits make one text of the other, whatever the texts are."""

import difflib
import time

from hypothesis import given
from hypothesis import strategies as st

from envforge.compare.contents.edits import edits, unified
from envforge.compare.contents.forms import LINES_MAX, differ

texts = st.lists(st.sampled_from("abcd"), max_size=30)


def applied(a, found, b):
    made, at = [], 0
    for edit in found:
        made += a[at : edit.old[0]]
        made += b[edit.new[0] : edit.new[1]]
        at = edit.old[1]
    return made + a[at:]


@given(texts, texts)
def test_edits_make_the_second_of_the_first(a, b):
    assert applied(a, edits(a, b), b) == b


@given(texts)
def test_equal_texts_have_none(a):
    assert not edits(a, list(a))
    assert not list(unified(a, list(a)))


@given(texts, texts)
def test_no_more_lines_are_touched_than_by_difflib(a, b):
    ours = sum(edit.old[1] - edit.old[0] + edit.new[1] - edit.new[0] for edit in edits(a, b))
    theirs = sum(line[0] in "+-" for line in difflib.ndiff(a, b))
    assert ours <= theirs


@given(texts, texts)
def test_hunks_say_their_own_lengths(a, b):
    old = new = left_old = left_new = 0
    for line in unified(a, b):
        if line.startswith("@@"):
            assert (left_old, left_new) == (0, 0)
            _, before, after, _ = line.split(" ")
            old, new = (_parsed(text) for text in (before, after))
            left_old, left_new = old[1], new[1]
            at_old, at_new = old[0], new[0]
            continue
        if line[0] in " -":
            assert a[at_old] == line[1:]
            at_old, left_old = at_old + 1, left_old - 1
        if line[0] in " +":
            assert b[at_new] == line[1:]
            at_new, left_new = at_new + 1, left_new - 1
    assert (left_old, left_new) == (0, 0)


def _parsed(text):
    start, _, count = text[1:].partition(",")
    length = int(count or 1)
    return (int(start) - (1 if length else 0), length)


@given(
    st.binary(max_size=300),
    st.binary(max_size=300),
    st.sampled_from(["/x", "/x.pyc", "/etc/passwd", "/var/lib/dpkg/status"]),
)
def test_any_bytes_can_be_compared(a, b, path):
    for old, new in ((a, b), (None, b), (a, None)):
        form, lines, _ = differ(path, old, new)
        assert form
        assert len(lines) <= 2 * LINES_MAX
        assert all("\n" not in line for line in lines)


def test_texts_made_to_be_slow_take_no_longer_than_their_bound():
    a = [str(number % 7) for number in range(40_000)]
    b = [str(number % 5) for number in range(40_000)]
    started = time.process_time()
    found = edits(a, b)
    assert applied(a, found, b) == b
    assert time.process_time() - started < 20
