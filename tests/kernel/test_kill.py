"""A few builds killed at random moments; `python tests/kill.py` kills hundreds."""

import random
import time

import pytest
from kill import build_again, kill_builds, make_project

pytestmark = [pytest.mark.userns, pytest.mark.root, pytest.mark.archive]


def test_killed_builds_leave_a_whole_store(tmp_path):
    line = make_project(tmp_path)
    start = time.monotonic()
    expected = build_again(line)
    longest_s = time.monotonic() - start
    line.succeed("store", "destroy", "--yes")
    seed = random.randrange(1 << 30)
    moments = kill_builds(line, 6, longest_s, seed)
    assert build_again(line) == expected, f"seed {seed}, killed after {moments}"
    line.succeed("store", "destroy", "--yes")
