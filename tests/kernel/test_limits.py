"""Limits that the kernel enforces, by whatever cgroups this machine has."""

import os
import signal
import subprocess
import sys
import time

import pytest
from cgroups import left, there_now
from processes import naming, own_mark, running, sandbox_parent, wait_until

from envforge.sandbox import cgroup
from envforge.sandbox.limits.choose import backend

pytestmark = pytest.mark.userns

MIB = 1 << 20
# Forks children that wait, until the kernel refuses one; prints how many there were.
FORKS = """
import os, sys
children = []
while True:
    try:
        child = os.fork()
    except BlockingIOError:
        break
    if child == 0:
        os.read(int(sys.argv[1]), 1)
        os._exit(0)
    children.append(child)
print(len(children))
"""
FILL = "import sys; kept = [bytearray(1 << 20) for _ in range(int(sys.argv[1]))]; print('held')"


def forked(box, **limits: object) -> int:
    """Return how many children a payload could have at once."""
    return int(
        box.python(
            "import os, sys\nread, write = os.pipe()\nsys.argv.append(str(read))\n"
            + FORKS
            + "os.close(write)\n",
            limits=limits,
        )
    )


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_memory_that_runs_out_ends_the_command_and_is_told(own_box):
    limits = {"memory": 64 * MIB}
    assert own_box.python(FILL, "20", limits=limits) == "held\n"
    result = own_box.run(sys.executable, "-I", "-c", FILL, "100", python=True, limits=limits)
    assert (result.returncode, result.stdout) == (137, "")
    assert "killed for want of memory: the limit is 64 MiB" in result.stderr
    assert left() == []


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_files_in_tmp_count_as_memory(own_box):
    result = own_box.run("dd", "if=/dev/zero", "of=/tmp/x", "bs=1M", "count=60", limits={"memory": 32 * MIB})
    assert result.returncode == 137


@pytest.mark.root
def test_a_command_that_is_killed_otherwise_is_not_said_to_lack_memory(root_box):
    result = root_box.run("sh", "-c", "kill -9 $$", limits={"memory": 64 * MIB})
    assert (result.returncode, result.stderr) == (137, "")


def test_processes_are_limited_exactly(box):
    assert forked(box, pids=20) == 19  # with itself there are 20


def test_there_is_a_limit_of_processes_by_default(box):
    assert forked(box) == 4095


def test_a_fork_bomb_stays_small_and_ends_with_its_sandbox(box):
    mark = own_mark("77")
    bomb = f"sleep 2 & bomb() {{ bomb & bomb & }}; bomb & wait %1; exit 7; {mark}"
    words = ["nice", "-n", "19", *box.command("sh", "-c", bomb, limits={"pids": 100})]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    counts = []
    try:
        while process.poll() is None and len(counts) < 1000:
            counts.append(len(naming(mark)))
            time.sleep(0.05)
    finally:
        process.kill()  # it is over long since, or this ends what a missing limit lets live
    assert process.wait() == 7
    assert max(counts) <= 110  # with those that brought it here
    wait_until(lambda: not naming(mark))


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_processors_time_is_limited(own_box):
    code = """
import os, time
end = time.monotonic() + 2
while time.monotonic() < end: pass
used = os.times()
print((used.user + used.system) / 2)
"""
    share = float(own_box.python(code, limits={"cpus": 0.25}))
    assert share == pytest.approx(0.25, abs=0.05)


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_memory_goes_to_swap_as_far_as_that_is_allowed(own_box):
    """The pages are written to, all of them, so they are somewhere."""
    with open("/proc/swaps", encoding="ascii") as file:
        if len(file.readlines()) < 2:
            pytest.skip("there is no swap on this machine")
    limits = {"memory": 32 * MIB, "swap": 64 * MIB}
    assert own_box.python(FILL, "60", limits=limits) == "held\n"
    result = own_box.run(sys.executable, "-I", "-c", FILL, "120", python=True, limits=limits)
    assert result.returncode == 137


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_weights_share_a_processor(own_box):
    """Two that want all of it get what they weigh, over the same two seconds."""
    code = """
import os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
begin = float(sys.argv[1])
while time.time() < begin: pass
before = time.process_time()
while time.time() < begin + 2: pass
print(time.process_time() - before)
"""
    own_box.shell("true")  # there is a store then
    begin = str(time.time() + 4)
    entered = [
        subprocess.Popen(
            own_box.command(
                sys.executable, "-I", "-c", code, begin, python=True, limits={"cpu_weight": weight}
            ),
            stdout=subprocess.PIPE,
            text=True,
        )
        for weight in (300, 100)
    ]
    more, less = (float(one.communicate(timeout=60)[0]) for one in entered)
    assert more / less == pytest.approx(3, rel=0.25)


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_only_named_processors_are_used(own_box):
    last = max(os.sched_getaffinity(0))
    code = "import os; print(sorted(os.sched_getaffinity(0)))"
    assert own_box.python(code, limits={"cpuset": str(last)}) == f"[{last}]\n"


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_reading_from_a_disk_is_limited(own_box):
    path = f"{own_box.home}/data"
    with open(path, "wb") as file:
        file.write(os.urandom(16 * MIB))
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    device = os.stat(path).st_dev
    if not os.path.exists(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"):
        pytest.skip(f"{path} is on no disk")
    code = """
import time
begin = time.monotonic()
print(len(open("/data", "rb").read()), time.monotonic() - begin)
"""
    read = own_box.python(code, mounts=[[path, "/data", True]], limits={"io_read": 8 * MIB})
    size, seconds = read.split()
    assert int(size) == 16 * MIB
    assert 1.6 < float(seconds) < 4


def test_no_cgroup_is_left(box):
    box.shell("sleep 0.1 & true", limits={"required": False, "cpus": 1.0})
    assert left() == []


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_what_a_crash_left_is_removed_by_the_next_one(own_box):
    mark = own_mark("78")
    process = subprocess.Popen(own_box.command("sleep", mark, limits={"cpus": 1.0, "io_read": MIB}))
    wait_until(lambda: running("sleep", mark))
    parent = sandbox_parent(process)
    made = there_now(f"{parent:x}-")
    os.kill(parent, signal.SIGKILL)
    process.wait(20)
    wait_until(lambda: not naming(mark))
    assert made
    own_box.shell("true")
    assert not set(made) & set(there_now())


@pytest.mark.plain_user
def test_a_limit_that_cannot_be_had_is_an_error(single_box):
    if backend_of(single_box):
        pytest.skip("this user has cgroups")
    result = single_box.run("true", limits={"memory": 64 * MIB})
    assert result.returncode == 125
    assert result.stderr.startswith("LimitError: the limit memory cannot be enforced")


@pytest.mark.plain_user
def test_a_limit_that_is_not_required_is_left_out_and_told(single_box):
    if backend_of(single_box):
        pytest.skip("this user has cgroups")
    result = single_box.run("echo", "in", limits={"memory": 64 * MIB, "required": False})
    assert (result.returncode, result.stdout) == (0, "in\n")
    assert "the limit memory is not enforced: this user may make no cgroup" in result.stderr


def backend_of(box) -> str:
    return box.program("from envforge.sandbox.limits.choose import backend; print(backend().kind, end='')")


def test_processors_that_are_not_there(box):
    result = box.run("true", limits={"cpuset": "4000"})
    assert result.returncode == 125
    assert "LimitError: cpuset '4000' names processors that are not there: 4000" in result.stderr


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_the_inside_sees_its_cgroup_as_the_root(own_box):
    """The cgroup namespace begins at its own: nothing of the host's cgroups is told inside."""
    lines = own_box.shell("cat /proc/self/cgroup", limits={"memory": 64 * MIB}).splitlines()
    used = {"pids", "memory"} if backend().kind == "v1" else {""}
    assert {line.split(":")[2] for line in lines if line.split(":")[1] in used} == {"/"}


@pytest.mark.one_kind
@pytest.mark.cgroup
def test_the_inside_cannot_change_its_limits(own_box):
    script = "find / -name pids.max -o -name memory.max -o -name memory.limit_in_bytes 2>/dev/null; true"
    for path in own_box.shell(script, limits={"pids": 50}, account=["root", 0, 0, []]).split():
        result = own_box.run("sh", "-c", f"echo max > {path}", account=["root", 0, 0, []])
        assert result.returncode != 0


@pytest.mark.root
def test_names_tell_whose_they_are():
    assert cgroup._owner(f"{os.getpid():x}-0123ab") == os.getpid()
    assert cgroup._owner("pids.max") == 0
    assert cgroup._owner("cgroup.procs") == 0
