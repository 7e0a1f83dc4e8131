import io
import os
import pty
import threading
import time
from contextlib import suppress

import pytest

from envforge.progress import (
    LiveProgress,
    Meter,
    NullProgress,
    PlainProgress,
    choose,
    describe,
)
from envforge.units import duration_text, size_text


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
    return Meter("fetching", 100_000_000, 180, started_s=0, bytes=50_000_000, items=90, label="gcc-12")


def test_a_wide_line_says_packages_bytes_rate_and_time_left():
    assert (
        describe(half_done(), 5, 100) == "fetching 90/180, 5.0 s left, 50.0 MB of 100 MB, 10.0 MB/s, gcc-12"
    )


@pytest.mark.parametrize("width", range(1, 80))
def test_a_line_fits_every_width_and_begins_with_the_stage(width):
    line = describe(half_done(), 5, width)
    assert len(line) <= width
    assert line.startswith("fetching"[:width])


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


def test_plain_lines_are_few_and_end_with_a_newline():
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.stage("fetching", 3000, 3)
    for _ in range(1000):
        progress.advance(bytes=1)
    progress.message("a word")
    progress.stage("configuring")
    progress.done()
    progress.done()
    assert stream.getvalue() == "fetching 3 packages, 3.0 kB\na word\nconfiguring\n"


def test_verbose_plain_lines_name_every_label():
    stream = io.StringIO()
    progress = choose(stream, verbose=True)
    progress.stage("unpacking")
    progress.advance(items=1, label="bash 5.2")
    assert stream.getvalue() == "unpacking\n  bash 5.2\n"


def test_threads_lose_no_count():
    progress = PlainProgress(io.StringIO())
    progress.stage("unpacking", None, 4000)
    threads = [
        threading.Thread(target=lambda: [progress.advance(items=1) for _ in range(1000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress._meter.items == 4000


def test_a_forked_copy_is_silent_even_while_the_lock_is_held():
    progress = PlainProgress(io.StringIO())
    progress.stage("unpacking")
    with progress._lock:
        child = os.fork()
        if child == 0:
            progress.advance(items=1)
            progress.message("x")
            progress.done()
            os._exit(0 if "x" not in progress._stream.getvalue() else 1)
        for _ in range(100):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            time.sleep(0.05)
    assert (pid, status) == (child, 0)


def test_who_is_chosen():
    assert isinstance(choose(io.StringIO(), quiet=True), NullProgress)
    assert isinstance(choose(io.StringIO()), PlainProgress)


def on_a_terminal(columns, monkeypatch, work):
    """Return what `work(progress)` writes on a terminal of that width."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    master, slave = pty.openpty()
    with open(slave, "w", encoding="utf-8") as stream:
        progress = choose(stream)
        assert isinstance(progress, LiveProgress)
        work(progress)
    written = b""
    with suppress(OSError):  # Linux answers EIO at the end of a terminal
        while piece := os.read(master, 1 << 16):
            written += piece
    os.close(master)
    return written.decode()


def slow_work(progress):
    progress.stage("fetching", 1_000_000, 10)
    time.sleep(0.3)
    progress.advance(bytes=500_000, items=5, label="gcc-12")
    progress.message("[bold] is kept")
    progress.done()


def test_a_live_line_draws_a_bar_and_gives_the_terminal_back(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    written = on_a_terminal(100, monkeypatch, slow_work)
    assert "━" in written
    assert "5/10" in written
    assert "[bold] is kept" in written
    assert written.endswith("\r\x1b[K")
    assert "\x1b[?25l" not in written  # a cursor that is hidden stays hidden when we are killed


def test_a_live_line_fits_20_columns_and_keeps_no_color(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    written = on_a_terminal(20, monkeypatch, slow_work)
    assert "fetching" in written
    assert "━" not in written
    assert "\x1b[32m" not in written


def test_what_is_over_at_once_is_not_drawn(monkeypatch):
    monkeypatch.setattr("envforge.progress.PATIENCE_S", 1000)  # at once, even on a machine that is busy

    def quick_work(progress):
        progress.stage("checking")
        progress.advance(items=1)
        progress.done()
        progress.message("end")

    assert on_a_terminal(80, monkeypatch, quick_work).replace("\r\x1b[K", "").split() == ["end"]
