"""Events of long work: through the channel to a listener, and each view of them."""

import io
import json
import os
import pty
import re
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envforge.progress import Progress, Recorder, events, ignore
from envforge.progress.json_lines import JsonView
from envforge.progress.live import LiveView
from envforge.progress.meter import Meter, describe
from envforge.progress.plain import PlainView
from envforge.progress.views import choose
from envforge.units import duration_text, size_text
from envforge.values import fields


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (149_000_000, "149 MB"),
        (6.5e9, "6.5 GB"),
        (2e13, "20000 GB"),
    ],
)
def test_sizes_have_three_digits_and_a_unit(size_bytes, text):
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (3.9, "3.9 s"), (42, "42 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_are_read_by_people(seconds, text):
    assert duration_text(seconds) == text


def half_done():
    return Meter("fetching", 100_000_000, 180, 0, bytes=50_000_000, items=90, item="gcc-12", item_width=8)


def test_a_wide_line_says_the_package_and_then_count_time_left_bytes_and_rate():
    assert (
        describe(half_done(), 5, 100) == "fetching gcc-12   90/180, 5.0 s left, 50.0 MB of 100 MB, 10.0 MB/s"
    )


@pytest.mark.parametrize("width", range(1, 80))
def test_a_line_fits_every_width_and_begins_with_the_stage(width):
    line = describe(half_done(), 5, width)
    assert len(line) <= width
    assert line.startswith("fetching"[:width])


@pytest.mark.parametrize("width", range(22, 80))
def test_the_package_goes_last_of_all_where_there_is_little_room(width):
    assert describe(half_done(), 5, width).startswith("fetching gcc-12")


def test_a_long_name_is_cut_and_does_not_move_the_rest():
    meter = Meter.of(events.Stage("configuring", None, 9), 0)
    meter.count(events.Doing("a-package-with-a-very-long-name", "setting up"))
    first = describe(meter, 0.5, 80)
    meter.count(events.Doing("short", "setting up"))
    assert first == "configuring a-package-with-a-very-l… 0/9"
    assert describe(meter, 0.5, 80).index("0/9") == first.index("0/9")


def test_a_stage_without_totals_says_what_was_done():
    assert describe(Meter("configuring", None, None, 0, items=3), 9, 80) == "configuring 3"
    assert describe(Meter("configuring", None, None, 0), 9, 80) == "configuring"


def test_bytes_and_items_count_alike():
    assert Meter("unpacking", 100, 10, 0, bytes=100, items=4).share() == 0.7
    assert Meter("unpacking", None, None, 0, bytes=100).share() is None


def test_more_than_the_total_is_not_more_than_all():
    meter = Meter("fetching", 10, 2, 0, bytes=20, items=3)
    assert meter.share() == 1
    assert meter.left_s(5) is None


def test_a_list_of_what_was_told_is_a_view_too():
    recorder = Recorder()
    progress = Progress(recorder)
    progress.stage("fetching and unpacking", 300, 2)
    progress.bytes(100, "git")
    progress.item("git")
    progress.doing("git", "setting up")
    progress.log("Setting up git (1) ...", "git")
    progress.message("a word")
    progress.end()
    assert recorder.events == [
        events.Stage("fetching and unpacking", 300, 2),
        events.Bytes(100, "git"),
        events.Item("git"),
        events.Doing("git", "setting up"),
        events.Log("Setting up git (1) ...", "git"),
        events.Message("a word"),
        events.End(),
    ]


@pytest.mark.parametrize("kind", events.KINDS.values())
@settings(deadline=None)  # the first value of a kind takes its time
@given(data=st.data())
def test_every_event_goes_over_a_pipe_and_back(kind, data):
    event = data.draw(st.builds(kind, *(st.from_type(one.type) for one in fields(kind))))
    assert events.from_json(json.loads(json.dumps(events.to_json(event)))) == event


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        [],
        {},
        {"event": "fire"},
        {"event": ["item"]},
        {"event": "item"},
        {"event": "item", "name": 3},
        {"event": "item", "name": "git", "more": 1},
        {"event": "bytes", "count": True},
        {"event": "bytes", "count": "3"},
    ],
)
def test_what_is_no_event_is_refused(value):
    with pytest.raises(ValueError, match="no "):
        events.from_json(value)


def test_the_readme_has_every_kind_and_field():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    rows = {line.split("`")[1]: line.split("|")[2] for line in text.splitlines() if line.startswith("| `")}
    for name, kind in events.KINDS.items():
        assert set(re.findall(r"`(\w+)`", rows[name])) == {one.name for one in fields(kind)}, name


def test_what_a_listener_raises_ends_the_work_and_blocks_nobody():
    told = []

    def listener(event):
        told.append(event)
        raise KeyboardInterrupt

    progress = Progress(listener)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            progress.message("x")
    assert len(told) == 2


def test_threads_lose_no_event():
    recorder = Recorder()
    progress = Progress(recorder)
    threads = [threading.Thread(target=lambda: [progress.item("x") for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recorder.events) == 4000


def test_a_forked_copy_is_silent_even_while_the_lock_is_held():
    recorder = Recorder()
    progress = Progress(recorder)
    with progress._lock:
        child = os.fork()
        if child == 0:
            progress.item("x")
            progress.message("x")
            progress.end()
            os._exit(1 if recorder.events else 0)
        for _ in range(100):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            time.sleep(0.05)
    assert (pid, status) == (child, 0)


def test_plain_lines_are_few_and_end_with_a_newline():
    stream = io.StringIO()
    progress = Progress(PlainView(stream))
    progress.stage("fetching", 3000, 3)
    for _ in range(1000):
        progress.bytes(1)
    progress.log("what a script prints")
    progress.message("a word")
    progress.stage("configuring")
    progress.stage("reading", None, 2, unit="layers")
    progress.end()
    progress.end()
    assert stream.getvalue() == "fetching 3 packages, 3.0 kB\na word\nconfiguring\nreading 2 layers\n"


def test_every_step_names_items_and_what_scripts_print():
    stream = io.StringIO()
    progress = Progress(choose(stream, every_step=True))
    progress.stage("unpacking")
    progress.item("bash")
    progress.log("creating things", "bash")
    assert stream.getvalue() == "unpacking\n  bash\n  creating things\n"


def written_as_json(work, **options):
    stream = io.StringIO()
    work(Progress(JsonView(stream, **options)))
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def chatty_work(progress):
    progress.stage("fetching and unpacking", 300, 2)
    for _ in range(100):
        progress.bytes(1, "git")
        progress.bytes(2, "jq")
    progress.bytes(-10, "git")
    progress.item("git")
    progress.log("a line", "git")
    progress.end()
    progress.end()


def test_json_has_an_event_a_line_and_no_byte_is_lost():
    lines = written_as_json(chatty_work)
    assert all(isinstance(line.pop("time"), float) for line in lines)
    told = [events.from_json(line) for line in lines]
    came = {"git": 0, "jq": 0}
    for event in told:
        if isinstance(event, events.Bytes):
            came[event.item] += event.count
    assert came == {"git": 90, "jq": 200}
    assert len(told) < 20
    assert told[0] == events.Stage("fetching and unpacking", 300, 2)
    assert told[-2:] == [events.Item("git"), events.End()]


def test_json_has_what_scripts_print_where_every_step_is_wanted():
    lines = written_as_json(chatty_work, every_step=True)
    [log] = [line for line in lines if line["event"] == "log"]
    assert (log["line"], log["item"]) == ("a line", "git")


def test_who_is_chosen():
    stream = io.StringIO()
    assert choose(stream, "none") is ignore
    assert isinstance(choose(stream), PlainView)
    assert isinstance(choose(stream, "json"), JsonView)


def on_a_terminal(columns, monkeypatch, work, way="auto", kind=LiveView):
    """Return what `work(progress)` writes on a terminal of that width."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    master, slave = pty.openpty()
    with open(slave, "w", encoding="utf-8") as stream:
        view = choose(stream, way)
        assert isinstance(view, kind)
        work(Progress(view))
    written = b""
    with suppress(OSError):  # Linux answers EIO at the end of a terminal
        while piece := os.read(master, 1 << 16):
            written += piece
    os.close(master)
    return written.decode()


def slow_work(progress):
    progress.stage("fetching", 1_000_000, 10)
    for _ in range(5):
        progress.item("gcc-12")
    time.sleep(0.3)
    progress.bytes(500_000, "gcc-12")
    progress.message("[bold] is kept")
    progress.end()


@pytest.mark.parametrize("columns", [80, 100])
def test_a_live_line_draws_a_bar_with_the_package_and_gives_the_terminal_back(columns, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    written = on_a_terminal(columns, monkeypatch, slow_work)
    assert "━" in written
    assert "gcc-12 5/10" in written
    assert "[bold] is kept" in written
    assert written.endswith("\r\x1b[K")
    assert "\x1b[?25l" not in written  # a cursor that is hidden stays hidden when we are killed


def test_a_live_line_fits_20_columns_and_keeps_no_color(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    written = on_a_terminal(20, monkeypatch, slow_work)
    assert "fetching" in written
    assert "━" not in written
    assert "\x1b[32m" not in written


def test_plain_lines_can_be_had_on_a_terminal(monkeypatch):
    written = on_a_terminal(80, monkeypatch, slow_work, "plain", PlainView)
    assert "\x1b" not in written
    assert written.startswith("fetching 10 packages, 1.0 MB\r\n")


def test_what_is_over_at_once_is_not_drawn(monkeypatch):
    monkeypatch.setattr("envforge.progress.meter.PATIENCE_S", 1000)  # at once, even on a busy machine

    def quick_work(progress):
        progress.stage("checking")
        progress.item("one")
        progress.end()
        progress.message("end")

    assert on_a_terminal(80, monkeypatch, quick_work).replace("\r\x1b[K", "").split() == ["end"]
