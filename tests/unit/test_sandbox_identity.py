"""Reading subordinate ranges, and choosing among them."""

import pytest

from envforge.errors import CapabilityError
from envforge.sandbox.ids.identity import (
    RANGE_IDS,
    SubordinateRange,
    detect,
    free_block,
    own_range,
    parse_ranges,
    range_command,
)

TEXT = """\
# a comment
alice:100000:65536
bob:165536:1000
1002:231072:65536
broken:x:1
bob:300000:65536
also:broken
"""


def test_lines_that_cannot_be_read_are_left_out():
    assert [each.owner for each in parse_ranges(TEXT)] == ["alice", "bob", "1002", "bob"]


def test_a_range_is_found_by_name_or_uid_if_it_is_large_enough():
    ranges = parse_ranges(TEXT)
    assert own_range(ranges, 1000, "alice").first == 100000
    assert own_range(ranges, 1001, "bob").first == 300000
    assert own_range(ranges, 1002, "carol").first == 231072
    assert own_range(ranges, 1003, "dave") is None


def test_the_built_in_block_collides_with_nobody():
    first = free_block(())
    taken = (SubordinateRange("x", first + 5, 10), SubordinateRange("y", first + RANGE_IDS, 1))
    assert free_block(taken) == first + 2 * RANGE_IDS
    with pytest.raises(CapabilityError):
        free_block((SubordinateRange("greedy", 0, 1 << 32),))


def test_the_command_that_grants_a_range_names_a_free_one():
    said = range_command("dave", parse_ranges(TEXT))
    assert said == "sudo usermod --add-subuids 365536-431071 --add-subgids 365536-431071 dave"


def test_a_way_of_holding_that_is_not_open_is_refused_with_a_remedy():
    with pytest.raises(CapabilityError) as caught:
        detect(prefer="range-1-1")
    assert caught.value.hint
