"""Containers on a machine that misbehaves: a disk that is full, a clock that is set back."""

import json
import subprocess
import time
from collections.abc import Iterator

import pytest
from box import Box
from containers import Harbour, build

pytestmark = pytest.mark.userns


@pytest.fixture
def root_harbour(root_box: Box) -> Iterator[Harbour]:
    found = build(root_box)
    yield found
    for identifier in found.succeed("ps", "-aq").split():
        found.run("rm", "-f", identifier)


@pytest.mark.root
def test_a_full_disk_stops_no_container_and_its_end_is_written_down(root_harbour):
    place = f"{root_harbour.box.store}/containers"
    subprocess.run(["mkdir", "-p", place], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=700", "none", place], check=True)
    try:
        script = "yes | head -c 4000000; touch /tmp/over; sleep 600"
        identifier = root_harbour.start(name="web", script=script)
        root_harbour.until(
            lambda: root_harbour.run("exec", "web", "--", "ls", "/tmp/over").returncode,
            lambda code: code == 0,
        )
        assert root_harbour.state("web")["status"] == "running"
        root_harbour.succeed("stop", "-t", "0", "web")
        assert root_harbour.record(identifier)["status"] == "exited"
        assert root_harbour.record(identifier)["exit_code"] == 137
        assert "were lost: no space left" in root_harbour.run("logs", "web").stderr
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_clock_that_is_set_back_makes_nothing_of_negative_age(harbour):
    identifier = harbour.start(name="web", script="echo on; sleep 600")
    harbour.await_log("web", "on")
    path = f"{harbour.box.store}/containers/{identifier}/state.json"
    state = harbour.record(identifier)
    ahead = time.time_ns() + 86_400_000_000_000  # it was started tomorrow
    with open(path, "r+", encoding="utf-8") as file:
        file.write(json.dumps({**state, "started": ahead}))
        file.truncate()
    assert "Up 0 seconds" in harbour.succeed("ps")
    assert harbour.succeed("exec", "web", "--", "echo", "in") == "in\n"
    harbour.succeed("stop", "-t", "0", "web")
    state = harbour.record(identifier)
    with open(path, "r+", encoding="utf-8") as file:
        file.write(json.dumps({**state, "finished": ahead}))
        file.truncate()
    assert "Exited (137) 0 seconds ago" in harbour.succeed("ps", "-a")
    harbour.succeed("start", "web")
    assert harbour.state("web")["status"] == "running"
