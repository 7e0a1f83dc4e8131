"""What dpkg prints names the package that failed first, whatever came after it. The logs are real dpkg's."""

from pathlib import Path

import pytest

from envforge.errors import BuildError, StoreFullError
from envforge.sources.debian.configure.output import dpkg_output, failure
from envforge.sources.debian.configure.output.failure import Ended

LOGS = Path(__file__).parents[1] / "golden" / "dpkg"


def read(name):
    return dpkg_output.read((LOGS / f"{name}.log").read_bytes())


@pytest.mark.parametrize(
    ("log", "package", "doing", "lines", "others"),
    [
        ("postinst", "broken", "setting up", ("creating things", "E: cannot make it"), ["dependent"]),
        ("trigger", "indexer", "processing triggers for", ("indexing /usr/share/ix", "no index"), []),
        ("killed", "killed", "setting up", ("hi",), []),
        ("archive", "prebroken", "unpacking", ("no such device",), []),
    ],
)
def test_the_first_failure_is_found_with_its_own_lines(log, package, doing, lines, others):
    output = read(log)
    assert output.failure.package == package
    assert output.failure.doing == doing
    assert output.failure.lines == lines
    assert output.others == others


def test_triggers_that_never_end_are_a_failure_with_a_reason():
    assert read("loop").failure.reason == "triggers looping, abandoned"


def test_a_package_that_lacks_another_is_named_where_nothing_else_failed():
    output = read("dependent")
    assert output.failure is None
    assert output.others == ["dependent"]
    assert "dependent could not be configured" in failure.explain(output, Ended(1), 3).message


def test_an_own_step_is_named_and_its_failure_too():
    output = dpkg_output.read(
        b"envforge: preinst of dbus ...\nno users\ndpkg: error processing package dbus (preinst):\n"
        b" its preinst ended with exit code 1\n"
    )
    assert output.failure.package == "dbus"
    assert output.failure.lines == ("no users",)
    message = failure.explain(output, Ended(1), 3).message
    assert message == "dbus could not be configured: its preinst ended with exit code 1\n  no users"


def test_pieces_of_any_size_give_the_same():
    whole = (LOGS / "postinst.log").read_bytes()
    output = dpkg_output.Output()
    lines = [line for byte in whole for line in output.feed(bytes([byte]))] + output.end()
    assert output == read("postinst")
    assert lines == whole.decode().splitlines()


def test_much_output_keeps_the_last_lines_in_bounded_memory():
    output = dpkg_output.Output()
    output.feed(b"Setting up loud (1.0) ...\n")
    for number in range(10_000):
        output.feed(b"line %d\n" % number)
    output.feed(b"x" * 5_000_000)
    output.feed(
        b"\ndpkg: error processing package loud (--configure):\n"
        b" installed loud package post-installation script subprocess returned error exit status 1\n"
        b"Setting up next (1.0) ...\n"
    )
    assert len(output.failure.lines) == dpkg_output.LINES_KEPT
    assert output.failure.lines[0].startswith("line 99")
    assert all(len(line) <= 400 for line in output.failure.lines)


def test_a_line_cannot_move_the_cursor():
    output = dpkg_output.Output()
    assert output.feed(b"\x1b[2J\x1b]0;title\x07red\x1b[31m 10%\r 100%\n") == [" 100%"]
    assert output.feed(b"\x1b[31mred\x1b[0m\x07\n") == ["red"]


def test_what_is_being_done_has_a_label():
    output = dpkg_output.Output()
    output.feed(b"Processing triggers for libc-bin (2.41-12) ...\n")
    assert output.step.label == "processing triggers for libc-bin"


def test_messages_name_package_script_and_code():
    error = failure.explain(read("postinst"), Ended(1), 4)
    assert isinstance(error, BuildError)
    assert error.message.splitlines() == [
        "broken could not be configured: its postinst ended with exit code 3",
        "  creating things",
        "  E: cannot make it",
        "not configured because of that: dependent",
    ]
    assert (
        "run for a trigger, ended with exit code 2" in failure.explain(read("trigger"), Ended(1), 4).message
    )
    assert "ended by a signal (Killed)" in failure.explain(read("killed"), Ended(1), 4).message
    assert failure.explain(read("archive"), Ended(1), 4).message.startswith("prebroken could not be unpacked")


def test_a_hung_script_is_named_with_the_limit():
    output = dpkg_output.read(b"Setting up slow (1.0) ...\nwaiting for the answer\n")
    error = failure.explain(output, Ended(137, limit_s=1800), 4)
    assert error.message.startswith("setting up slow took longer than 30 min")
    assert "waiting for the answer" in error.message
    assert "script-timeout" in error.hint


def test_causes_that_the_lines_tell_of_have_a_hint():
    def hint(line):
        text = (
            f"Setting up a (1) ...\n{line}\ndpkg: error processing package a (--configure):\n"
            " installed a package post-installation script subprocess returned error exit status 1\n"
        )
        return failure.explain(dpkg_output.read(text.encode()), Ended(1), 1).hint

    assert "network" in hint("curl: (6) Could not resolve host: example.org")
    assert "service" in hint("psql: error: connection refused")
    assert "--shell-on-failure" in hint("something else")


def test_a_full_disk_is_told_as_such():
    assert isinstance(failure.explain(read("postinst"), Ended(1, full=True), 4), StoreFullError)
    output = dpkg_output.read(b"Setting up a (1) ...\ncp: error writing: No space left on device\n")
    assert isinstance(failure.explain(output, Ended(1), 4), StoreFullError)
