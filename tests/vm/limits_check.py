"""Tries every limit once, as whoever runs it, in one box: `python limits_check.py HOME`.

For a guest, in which a test's own box would take longer than the test. Prints the name of each check that
holds; the first that does not ends it.
"""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from box import Box
from cgroups import there_now
from containers import build

MIB = 1 << 20
FILL = "import sys; kept = [bytearray(1 << 20) for _ in range(int(sys.argv[1]))]; print('held')"
FORKS = """
import os
read, write = os.pipe()
count = 0
while True:
    try:
        child = os.fork()
    except BlockingIOError:
        break
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    count += 1
print(count)
"""
SHARE = """
import os, sys, time
if sys.argv[1:]:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print("ready", flush=True)
    sys.stdin.readline()
begin, before = time.monotonic(), time.process_time()
while time.monotonic() < begin + 3: pass
print((time.process_time() - before) / 3)
"""
READ = """
import time
begin = time.monotonic()
print(len(open("/data", "rb").read()) / (time.monotonic() - begin))
"""
BUSY = "echo up; while :; do :; done"
EATS = "x=x; while :; do x=$x$x; done"


def memory_with_swap(box: Box) -> None:
    """What exceeds the memory goes to the allowed swap; what exceeds both is killed, and that is told."""
    limits = {"memory": 32 * MIB, "swap": 64 * MIB}
    assert box.python(FILL, "60", limits=limits) == "held\n"
    for more in (limits, {"memory": 32 * MIB}):
        result = box.run(sys.executable, "-I", "-c", FILL, "120", python=True, limits=more, timeout_s=300)
        assert result.returncode == 137, result
        assert "killed for want of memory: the limit is 32 MiB" in result.stderr, result


def processors(box: Box) -> None:
    """A quarter of one is a quarter."""
    share = float(box.python(SHARE, limits={"cpus": 0.25}))
    assert 0.2 < share < 0.3, share


def weights(box: Box) -> None:
    """Two that want the same processor share it as they weigh."""
    pipe = subprocess.PIPE
    words = [
        box.command(sys.executable, "-I", "-c", SHARE, "both", python=True, limits={"cpu_weight": weight})
        for weight in (300, 100)
    ]
    both = [subprocess.Popen(one, stdin=pipe, stdout=pipe, text=True) for one in words]
    for one in both:
        assert one.stdout.readline() == "ready\n"
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    more, less = (float(one.communicate()[0]) for one in both)
    assert 2.2 < more / less < 4, (more, less)


def pids(box: Box) -> None:
    """Exactly as many as that."""
    assert box.python(FORKS, limits={"pids": 20}) == "19\n"


def reading(box: Box) -> None:
    """At 4 MiB a second from the disk."""
    path = f"{box.home}/data"
    with open(path, "wb") as file:
        file.write(os.urandom(12 * MIB))
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    rate = float(box.python(READ, mounts=[[path, "/data", True]], limits={"io_read": 4 * MIB}))
    assert 3 * MIB < rate < 4.8 * MIB, rate


def cpuset(box: Box) -> None:
    """Only the named processor."""
    last = max(os.sched_getaffinity(0))
    code = "import os; print(sorted(os.sched_getaffinity(0)))"
    assert box.python(code, limits={"cpuset": str(last)}) == f"[{last}]\n"


def container(box: Box) -> None:
    """`update`, `stats`, `pause`, `exec` into it, OOM kill, and nothing left after `rm -f`."""
    place = build(box)
    before = set(there_now())

    def stats() -> dict[str, object]:
        [one] = json.loads(place.succeed("stats", "--json", "one"))
        return one

    place.start(name="one", script=BUSY)
    place.await_log("one", "up")
    place.succeed("update", "--memory", "64m", "--cpus", "0.5", "--pids-limit", "20", "one")
    assert set(there_now()) - before, "it has a cgroup now"
    assert (stats()["memory_limit_bytes"], stats()["pids_limit"]) == (64 * MIB, 20)
    place.succeed("pause", "one")
    used = stats()["cpu_seconds"]
    time.sleep(1)
    assert stats()["cpu_seconds"] - used < 0.05, "paused"
    place.succeed("unpause", "one")
    place.until(stats, lambda seen: seen["cpu_seconds"] > used)
    assert place.run("exec", "one", "--", "sh", "-c", EATS).returncode == 137
    place.succeed("rm", "-f", "one")
    place.start(name="eats", script=f"while [ ! -e /tmp/go ]; do sleep 0.1; done; {EATS}")
    place.succeed("update", "--memory", "16m", "eats")
    place.succeed("exec", "eats", "--", "touch", "/tmp/go")
    state = place.await_status("eats", "exited")
    assert (state["exit_code"], state["oom_killed"]) == (137, True), state
    said = place.run("logs", "eats")
    assert "killed for want of memory: the limit is 16 MiB" in said.stdout + said.stderr
    place.succeed("rm", "-f", "eats")
    assert place.leftovers() == []
    assert set(there_now()) <= before


def main() -> None:
    """Try them all."""
    box = Box(sys.argv[1], os.getuid(), "own", list)
    build(box)
    for check in (memory_with_swap, processors, container, pids, cpuset, reading, weights):
        began = time.monotonic()
        check(box)
        print(f"{check.__name__} holds ({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
