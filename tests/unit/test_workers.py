import fcntl
import os
import signal
import time
from contextlib import suppress

import pytest

from envforge.build.workers import Done, Workers, ready
from envforge.errors import BuildError, NetworkError
from envforge.sandbox.ids.worker import WorkerCrashError


def finish(*pools):
    """Yield tag and value of all jobs as they are done."""
    while any(pool.channels for pool in pools):
        said = ready(*pools)
        for pool in pools:
            for done in pool.finished(said):
                assert isinstance(done, Done)
                yield done.tag, done.value


def square(report, _place, number):
    report(number)
    return number * number


def fail(_report, _place):
    raise NetworkError("no route", hint="plug it in")


def crash(_report, _place):
    return {}["missing"]


def die(_report, _place):
    os.kill(os.getpid(), signal.SIGKILL)


def open_files(_report, _place):
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the list itself
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return found


def process(_report, _place):
    time.sleep(0.05)
    return os.getpid()


def test_jobs_of_several_pools_finish_and_report():
    reported = []
    with Workers(2, report=reported.append) as first, Workers(1) as second:
        for number in range(5):
            first.submit(number, square, number)
        second.submit("other", square, 7)
        results = dict(finish(first, second))
    assert results == {0: 0, 1: 1, 2: 4, 3: 9, 4: 16, "other": 49}
    assert sorted(reported) == [0, 1, 2, 3, 4]


def test_jobs_submitted_by_results_are_done_too():
    with Workers(1) as pool:
        pool.submit(0, square, 3)
        seen = []
        for tag, result in finish(pool):
            seen.append(result)
            if tag < 2:
                pool.submit(tag + 1, square, result)
    assert seen == [9, 81, 6561]


def test_a_processs_connections_are_kept_between_jobs():
    with Workers(2) as pool:
        for number in range(6):
            pool.submit(number, process)
        assert len({pid for _, pid in finish(pool)}) == 2


def test_errors_of_jobs_are_raised_with_their_hints_and_all_processes_end():
    pids = []
    with pytest.raises(NetworkError) as caught, Workers(2) as pool:
        pool.submit("pid", process)
        pool.submit("fail", fail)
        for _, result in finish(pool):
            pids.append(result)
            pool.submit("fail", fail)
    assert caught.value.hint == "plug it in"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_bug_keeps_its_traceback_and_a_killed_worker_is_named():
    with pytest.raises(WorkerCrashError, match="KeyError: 'missing'"), Workers(1) as pool:
        pool.submit("crash", crash)
        list(finish(pool))
    with pytest.raises(BuildError, match="exit status -9"), Workers(1) as pool:
        pool.submit("die", die)
        list(finish(pool))


def test_a_worker_keeps_no_lock_of_its_starter(tmp_path):
    """Whoever has the descriptor of a lock holds it, and another build would wait for it for ever."""
    with open(tmp_path / "lock", "w") as lock, Workers(1) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pool.submit("files", open_files)
        [(_, found)] = finish(pool)
    assert not any(str(tmp_path) in path for path in found), found
