"""Logs of several containers as one: by time, and each in its own order whatever the clock said."""

from pathlib import Path

import pytest

from envforge.containers import records
from envforge.containers.output import following


def container(store: Path, identifier: str, *lines: str) -> records.Container:
    """Write a container's log; each line is seconds and a text, P before one that goes on."""
    directory = store / "containers" / identifier
    directory.mkdir(parents=True)
    said = []
    for line in lines:
        second, _, text = line.partition(" ")
        kind = "P" if text.startswith("P") else "F"
        said.append(f"2026-11-28T02:00:{second}.000000000Z stdout {kind} {text}\n")
    (directory / "log").write_text("".join(said))
    (directory / "container.json").write_text('{"format": 1, "name": "x"}')
    (directory / "state.json").write_text('{"format": 1, "status": "exited"}')
    return records.Container(str(store), identifier, {"name": identifier}, {"status": "exited"})


@pytest.fixture
def two(tmp_path: Path) -> list[records.Container]:
    return [
        container(tmp_path, "aaaaaaaaaaaa", "01 a1", "04 a2", "02 a3 set back", "05 a4"),
        container(tmp_path, "bbbbbbbbbbbb", "03 Pb1", "03 -rest", "04 b2", "06 b3"),
    ]


ORDERED = [b"a1", b"Pb1-rest", b"a2", b"a3 set back", b"b2", b"a4", b"b3"]


def test_lines_are_merged_and_none_leaves_its_order(two):
    assert [line.text for line in following.merged(two)] == ORDERED
    assert [line.time[17:19] for line in following.merged(two)] == ["01", "03", "04", "02", "04", "05", "06"]


def test_following_gives_the_same_and_ends_where_nothing_runs(two):
    found = following.follow_all(lambda: two, two[0].store)
    assert [line.text for line in found if line is not None] == ORDERED


def test_the_last_lines_are_of_each(two):
    assert [line.text for line in following.merged(two, last=1)] == [b"a4", b"b3"]
