"""The end of a log and what comes, a bounded piece at a time, over rotations."""

from pathlib import Path

import pytest

from envforge.containers.output.tail import Tail
from envforge.containers.records import Container, fresh_state
from envforge.containers.supervisor.log_file import LogFile


@pytest.fixture
def container(tmp_path: Path) -> Container:
    one = Container(str(tmp_path), "0" * 12, {}, fresh_state())
    Path(one.directory).mkdir(parents=True)
    return one


def texts(tail: Tail) -> list[str]:
    return [one.text.decode() for one in tail.read()]


def test_what_is_there_then_what_comes(container: Container) -> None:
    tail = Tail(container)
    assert texts(tail) == [], "no log yet"
    log = LogFile(container.directory)
    log.write("stdout", b"one\ntwo\n")
    assert texts(tail) == ["one", "two"]
    assert texts(tail) == []
    log.write("stderr", b"three\npart")
    assert texts(tail) == ["three"]
    log.write("stderr", b"ial\n")
    assert texts(tail) == ["partial"]
    tail.close()


def test_of_much_only_the_end_in_whole_lines(container: Container) -> None:
    log = LogFile(container.directory)
    for number in range(1000):
        log.write("stdout", f"line {number}\n".encode())
    tail = Tail(container, most_bytes=4096)
    first = texts(tail)
    assert first[-1] == "line 999"
    assert 50 < len(first) < 100
    assert tail.is_cut
    for number in range(1000, 2000):
        log.write("stdout", f"line {number}\n".encode())
    assert texts(tail)[-1] == "line 1999"
    assert tail.is_cut
    log.write("stdout", b"last\n")
    assert texts(tail) == ["last"]
    assert not tail.is_cut
    tail.close()


def test_rotations_lose_and_repeat_nothing(container: Container) -> None:
    log = LogFile(container.directory, max_bytes=2000)
    tail = Tail(container)
    found = []
    for number in range(400):
        log.write("stdout", f"{number}\n".encode())
        if number % 7 == 0:
            found += texts(tail)
    found += texts(tail)
    assert found == [str(number) for number in range(400)]
    tail.close()


def test_a_log_of_several_files_is_read_from_the_oldest_that_matters(container: Container) -> None:
    log = LogFile(container.directory, max_bytes=2000)
    for number in range(90):
        log.write("stdout", f"{number}\n".encode())
    tail = Tail(container, most_bytes=3000)
    found = texts(tail)
    assert found == [str(number) for number in range(90 - len(found), 90)]
    assert len(found) > 45, "more than one file's"
    tail.close()
