"""Capabilities, users and homes for all tests.

A test that cannot run here is skipped with the missing capability named; with CI=true that is a failure. A
test that finds out by itself says so with `pytest.skip("needs …")`, which counts the same.
"""

import os
import signal
import sys
import traceback
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from capabilities import PROBES, report
from together import group_of
from users import RANGES, SINGLE, TestUser, lend, stands_in

sys.path.append(str(Path(__file__).parents[1]))  # of which tests.sweep and tests.bigstore are imported
TIME_LIMIT_S = 600
"""For a test with the fixtures that it makes: one that hangs must not keep all others from running."""
VM_TIME_LIMIT_S = 3600
ACTING = {
    "account",
    "box",
    "case",
    "flat_tree",
    "harbour",
    "plain_box",
    "plain_user",
    "range_user",
    "several_ids_box",
}
"""Fixtures that act as one of the test users: a run by root has them act as each."""
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_configure() -> None:
    """Hear signals that whoever started the tests has had ignored: what the tests start inherits that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for one in (
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGTSTP,
        signal.SIGTTIN,
        signal.SIGTTOU,
    ):
        signal.signal(one, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what tries each kind of user by itself, where root runs it."""
    for item in items:
        if ACTING & set(getattr(item, "fixturenames", ())):
            item.add_marker("each_kind")


def pytest_report_header() -> str:
    """Print which capabilities were found."""
    return f"capabilities: {report()}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs what is not here."""
    for name, probe in PROBES.items():
        if item.get_closest_marker(name) and (missing := probe()):
            pytest.skip(f"needs {name}: {missing}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Have a test fail that takes longer than its time, with where it stood."""
    marker = item.get_closest_marker("time_limit")
    usual_s = VM_TIME_LIMIT_S if item.get_closest_marker("vm") else TIME_LIMIT_S
    limit_s = marker.args[0] if marker else usual_s

    def stop(_number: int, frame: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, TIME_LIMIT_S)  # taking its fixtures down may hang too
        stack = "".join(traceback.format_stack(frame))
        sys.stderr.write(f"{item.nodeid} took longer than {limit_s} s:\n{stack}")
        pytest.fail(f"took longer than {limit_s} s", pytrace=True)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep tests together that share what takes long to make, where `--dist loadfile` asks for that.

    They come in the order in which they are collected: long ones first, unit tests in the end.
    """
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return Together(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip for a missing capability into a failure in CI."""
    report = yield
    _insist(report, item.nodeid)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for a whole module that skips itself."""
    report = yield
    _insist(report, collector.nodeid)
    return report


def _insist(report: pytest.TestReport | pytest.CollectReport, nodeid: str) -> None:
    if not (IN_CI and report.skipped and isinstance(report.longrepr, tuple)):
        return
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if reason.startswith("needs "):
        report.outcome = "failed"
        report.longrepr = f"{nodeid}: {reason}\nIn CI a missing capability is a failure."


@pytest.fixture
def plain_user() -> Iterator[TestUser]:
    """Lend an unprivileged user with a single id."""
    yield from _lend(SINGLE)


@pytest.fixture
def range_user() -> Iterator[TestUser]:
    """Lend an unprivileged user with subordinate ids."""
    yield from _lend(RANGES)


def _lend(name: str) -> Iterator[TestUser]:
    if missing := PROBES["ranges" if name == RANGES else "plain_user"]():
        pytest.skip(f"needs {name}: {missing}")
    if not stands_in(name):
        pytest.skip(f"is for {name}; this run is by another kind of user")
    with lend(name) as user:
        yield user


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Move into an empty home: no store, no state, no configuration of before."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    for name in [name for name in os.environ if name.startswith(("XDG_", "ENVFORGE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    return str(home)
