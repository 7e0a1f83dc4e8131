import os

import pytest

from envforge.progress.events import Bytes, Doing, Item, Log, Message, Stage
from envforge.tui.core import jobs, memory, toml, words
from envforge.tui.core.commands import Commands, Subject, target
from envforge.tui.core.jobs import CancelledError, Job, Loads, State
from envforge.tui.core.memory import Memory
from envforge.tui.widgets.dialogs import spread


def test_times_are_told_roughly() -> None:
    now = 1_000_000_000
    assert words.ago(0, now) == "-"
    assert words.ago(now - 5, now) == "now"
    assert words.ago(now - 3 * 86400, now) == "3 d ago"
    assert words.ago(now - 7200, now) == "2 h ago"
    assert words.ago(now + 50, now) == "now"


def test_paths_are_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert words.place("/home/ann/shop/envforge.toml") == "~/shop"
    assert words.place("/home/ann/shop/dev.toml") == "~/shop/dev.toml"
    assert words.place("/home/anna/envforge.toml") == "/home/anna"


def test_bars_have_their_width() -> None:
    assert words.bar(0, 4) == "    "
    assert words.bar(1, 4) == "████"
    assert words.bar(0.5, 3) == "█▌ "
    assert words.bar(7, 2) == "██"


def test_nothing_that_a_terminal_would_obey_is_drawn() -> None:
    assert words.printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\x0a"
    assert words.printable(os.fsdecode(b"caf\xe9")) == "caf\\xe9"
    assert words.printable("a\u202eb") == "a\\u202eb"
    assert words.printable("héllo 日本") == "héllo 日本"


def test_commands_name_the_spec_only_where_that_is_needed() -> None:
    commands = Commands(here="/p/envforge.toml")
    assert commands.of(Subject("/p/envforge.toml"), "build") == "envforge build"
    assert (
        commands.of(Subject("/q/envforge.toml", "db"), "build") == "envforge -f /q/envforge.toml -E db build"
    )
    with_store = Commands("/a store")
    assert with_store.store_wide("gc", "--undo") == "envforge --store '/a store' gc --undo"


def test_targets_are_digests_where_there_is_one() -> None:
    assert target(Subject("/p/envforge.toml", digest="ab" * 32)) == "abababababab"
    assert target(Subject("/p/envforge.toml")) == "/p"


def test_what_is_kept_comes_back() -> None:
    kept = Memory(screen="layers", theme="envforge-light", alone=True)
    kept.table("packages").sort = "size"
    assert memory.from_document(memory.to_document(kept)) == kept


@pytest.mark.parametrize(
    "broken", [None, {}, {"format": 99, "screen": "x"}, {"format": 1, "screen": 3, "tables": [1]}]
)
def test_what_cannot_be_read_is_a_first_start(broken: object) -> None:
    assert memory.from_document(broken) == Memory()


def test_toml_is_coloured_by_what_it_is() -> None:
    line = 'packages = ["git", 12, true]  # why'
    found = {line[start:end].strip(): kind for start, end, kind in toml.tokens(line)}
    assert found == {"packages": "key", '"git"': "text", "12": "number", "true": "number", "# why": "comment"}
    assert [kind for *_, kind in toml.tokens("[[debian.archive]]")] == ["table"]
    assert [kind for *_, kind in toml.tokens('x = "# no comment"')] == ["key", "text"]


def test_mistakes_are_found_in_what_an_error_says() -> None:
    text = "spec:3:1: nme: unknown key\nspec:4:9: debian.suite: must be text\nspec: is empty"
    assert [(one.line, one.column, one.text) for one in toml.problems(text, "spec")] == [
        (3, 1, "nme: unknown key"),
        (4, 9, "debian.suite: must be text"),
        (0, 0, "is empty"),
    ]
    assert toml.problems("", "spec") == ()


def test_only_what_is_waited_for_is_spoken_of() -> None:
    loads = Loads()
    loads.begin("files", "reading the listings", 10.0)
    assert loads
    assert not loads.told(10.2)
    assert loads.told(10.3) == "reading the listings"
    loads.begin("files", "reading the listings", 10.3)
    assert not loads.told(10.4), "it was begun anew"
    loads.end("files")
    assert not loads


def test_groups_are_spread_over_columns_in_their_order() -> None:
    groups = [(name, [("k", "does")] * length) for name, length in (("a", 3), ("b", 9), ("c", 2), ("d", 2))]
    named = [[[name for name, _ in column] for column in spread(groups, number)] for number in (1, 2, 3, 9)]
    assert named == [
        [["a", "b", "c", "d"]],
        [["a", "b"], ["c", "d"]],
        [["a"], ["b"], ["c", "d"]],
        [["a"], ["b"], ["c", "d"]],
    ]
    assert spread([], 3) == [[]]


def test_a_job_counts_and_keeps_lines() -> None:
    job = Job("build shop", "envforge build", lambda _job: None)
    for event in (
        Stage("configuring", total_items=2),
        Doing("tzdata", "setting up"),
        Item("tzdata"),
        Log("done", "tzdata"),
        Message("a note"),
        Bytes(5),
    ):
        job(event)
    assert job.share() == 0.5
    assert "configuring" in job.line()
    assert list(job.lines) == [
        "== configuring",
        "setting up tzdata",
        "   tzdata",
        "tzdata: done",
        "a note",
    ]


def test_a_cancelled_job_ends_at_its_next_event() -> None:
    job = Job("build shop", "envforge build", lambda _job: None)
    job.cancel()
    assert job.is_stopping
    with pytest.raises(CancelledError):
        job(Stage("configuring"))
    job.end(State.CANCELLED)
    assert not job.is_stopping
    assert "cancelled after" in job.line()


def test_lines_of_a_long_job_are_bounded() -> None:
    job = Job("build shop", "envforge build", lambda _job: None)
    for number in range(jobs.LINES_MAX + 10):
        job(Log(str(number)))
    assert len(job.lines) == jobs.LINES_MAX
    assert job.said == jobs.LINES_MAX + 10
