"""A few commands killed at random moments; `python tests/kill.py` kills hundreds."""

import random
import shutil

import pytest
from kill import finish, kill_at_points, kill_commands, trial

pytestmark = [
    pytest.mark.userns,
    pytest.mark.root,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with trial(tmp_path_factory.mktemp("trial")) as one:
        yield one


def test_killed_commands_leave_a_whole_store(made):
    seed = random.randrange(1 << 30)
    log = kill_commands(made, 8, seed)
    try:
        finish(made)
    except AssertionError as error:
        raise AssertionError("\n".join([f"seed {seed}", *log])) from error


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_a_repair_that_is_killed_at_each_change(made):
    finish(made)
    kill_at_points(made, ["build", "--rebuild"], 4)
    finish(made)
