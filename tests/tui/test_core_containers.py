"""The Containers screen without a terminal: order, filter, samples, log lines, ports."""

import pytest
from sample_containers import SHOP, containers

from envforge.containers.output.logs import Entry
from envforge.sandbox.limits.model import Usage
from envforge.tui.core.containers import log, ports, rows, samples
from envforge.tui.core.containers.log import LogLines
from envforge.tui.core.containers.samples import Samples

NEEDS = {SHOP: {"web": (("db", "healthy"), ("cache", "started")), "db": (), "cache": ()}}


def entry(text: str | bytes, stream: str = "stdout", kind: str = "F") -> Entry:
    data = text.encode() if isinstance(text, str) else text
    return Entry(b"2026-11-28T09:41:00.123456789Z %s %s " % (stream.encode(), kind.encode()) + data)


def grid() -> rows.GroupedGrid:
    groups = rows.grouped(containers(), NEEDS)
    made = rows.GroupedGrid(rows.COLUMNS, groups=rows.places(groups))
    made.fill(rows.rows(groups, NEEDS, Samples()))
    return made


def names(made: rows.GroupedGrid) -> list[str]:
    return [row.cells[1].text.split()[-1] for row in made.shown()]


def test_containers_stand_below_their_project_in_the_order_in_which_they_start() -> None:
    assert names(grid()) == [
        *("report", "nightly"),
        *("shop", "shop-cache", "shop-db", "shop-web"),
        *("(test)", "shop-test-db"),
    ]


def test_a_filter_keeps_the_projects_line_and_a_sort_stays_within_it() -> None:
    made = grid()
    made.narrow("web")
    assert names(made) == ["shop", "shop-web"]
    assert made.count_of_containers() == 1
    made.narrow("shop paused")
    assert names(made) == ["(test)", "shop-test-db"]
    made.narrow("")
    made.order("name")
    made.reverse()
    assert names(made)[2:6] == ["shop", "shop-web", "shop-db", "shop-cache"]


def test_a_circle_of_services_and_a_missing_one_end() -> None:
    circle = {SHOP: {"web": (("db", "started"),), "db": (("web", "started"), ("gone", "started"))}}
    assert len(rows.grouped(containers(), circle)) == 3


def test_what_is_wrong_stands_out_without_colours() -> None:
    found = {one.name: one for one in containers()}
    assert rows.sign(found["nightly"]).text == "✗"
    assert rows.sign(found["shop-cache"]).text == "!"
    assert "unhealthy" in rows.status(found["shop-cache"]).text
    assert rows.status(found["nightly"]).text == "exited 1, 2 h ago"


def test_a_share_is_told_from_two_samples_and_ended_ones_are_forgotten() -> None:
    known = Samples()
    known.note({"a": (10.0, Usage(cpu_ns=0, memory_bytes=100)), "b": (10.0, Usage())})
    assert known.known["a"].share is None
    known.note({"a": (12.0, Usage(cpu_ns=1_000_000_000, memory_bytes=200))})
    assert known.known["a"].share == 0.5
    assert known.known.keys() == {"a"}
    for second in range(13, 200):
        known.note({"a": (float(second), Usage(cpu_ns=0, memory_bytes=1))})
    assert len(known.known["a"].cpus) == len(known.known["a"].memory) == samples.KEPT


@pytest.mark.parametrize(
    ("values", "top", "drawn"),
    [
        ((), 1.0, "    "),
        ((0.0, 0.5, 1.0), 1.0, " ▁▅█"),
        ((0, 0), 0, "  ▁▁"),
        ((9.0, 1, 1, 1, 1), 1, "████"),
    ],
)
def test_bars(values: tuple[float, ...], top: float, drawn: str) -> None:
    assert samples.line(values, 4, top) == drawn


def test_lines_are_bounded_in_number_and_length_and_parts_are_joined() -> None:
    lines = LogLines()
    lines.add(entry(str(number)) for number in range(log.LINES_MAX + 5))
    assert len(lines.shown()) == log.LINES_MAX
    assert lines.shown()[0].text == "5"
    lines.add([entry("x"), entry("y")])
    assert lines.dropped == 2
    long = b"z" * (16 << 10)
    assert not lines.add(entry(long, kind="P") for _ in range(1000))
    assert lines.add([entry("other", "stderr"), entry("end")])
    assert [len(line.text) for line in list(lines.lines)[-2:]] == [5, log.LENGTH_MAX]


def test_a_filter_shows_what_has_all_words() -> None:
    lines = LogLines()
    lines.add(map(entry, ("GET /a 200", "GET /b 404", "POST /b 200")))
    lines.narrow("get 200")
    assert [line.text for line in lines.shown()] == ["GET /a 200"]
    lines.add([entry("get it 200")])
    assert len(lines.shown()) == 2


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07after", "after"),
        (b"\x1b]52;c;aGk=\x1b\\after", "after"),
        (b"\x1bPq#0;1\x1b\\after", "after"),
        (b"\x1b[2J\x1b[Hhome\x1b", "home"),
        (b"10 %\r50 %\r100 %\r", "100 %"),
        (b"a\tb\x00\x08\x7f", "a       b"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"[bold]no markup[/]", "[bold]no markup[/]"),
    ],
)
def test_nothing_steers_the_terminal(written: bytes, shown: str) -> None:
    assert log.clean(written) == shown


def test_ports_and_their_addresses() -> None:
    def port(address: str, protocol: str = "tcp", container: int = 80) -> dict[str, object]:
        return {"address": address, "host": 8080, "container": container, "protocol": protocol}

    assert ports.short(port("127.0.0.1")) == "8080→80"
    assert ports.short(port("0.0.0.0", "udp")) == "0.0.0.0:8080→80/udp"
    assert ports.address(port("0.0.0.0")) == "http://127.0.0.1:8080/"
    assert ports.address(port("::1")) == "http://[::1]:8080/"
    assert ports.address(port("127.0.0.1", container=443)) == "https://127.0.0.1:8080/"
    assert ports.address(port("127.0.0.1", "udp")) == "127.0.0.1:8080"
    assert ports.whole(port("::1")) == "[::1]:8080->80/tcp"
