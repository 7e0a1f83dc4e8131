"""Cgroups of version 2 in a delegated subtree, for real: whatever controllers this machine has in it.

What the controllers themselves do is shown by `test_limits.py` where a machine has them in version 2.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from users import SINGLE, lend

from envforge.sandbox.limits import hierarchies

pytestmark = [pytest.mark.userns, pytest.mark.root]

# Waits until it has been moved, then finds its base, makes a cgroup, freezes a child, and cleans up.
CODE = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from envforge.sandbox import cgroup
from envforge.sandbox.limits import v2
from envforge.sandbox.limits.hierarchies import Hierarchies
print("ready", flush=True)
sys.stdin.readline()
own = dict(line.rstrip().split(":", 2)[1:] for line in open("/proc/self/cgroup"))[""]
found = Hierarchies(unified=sys.argv[2], own={"": own})
base = v2.base(found)
print(base.removeprefix(sys.argv[2]))
v2.prepare(base)
child = os.fork()
if child == 0:
    while True: os.times()
limits = {"bases": (base,), "writes": (), "disks": (), "others": ()}
[path] = cgroup.start(limits, child, lambda bases, pids: None)
print(open(f"/proc/{child}/cgroup").read().split("0::")[1].split()[0] == path.removeprefix(sys.argv[2]))
print(open("/proc/self/cgroup").read().split("0::")[1].split()[0])
cgroup.write(f"{path}/cgroup.freeze", "1")
def used(): return sum(map(int, open(f"/proc/{child}/stat").read().rpartition(")")[2].split()[11:13]))
time.sleep(0.1)
before = used()
time.sleep(0.3)
print(used() - before)
os.kill(child, 9)
os.waitpid(child, 0)
cgroup.end(limits, child, lambda: None)
print(os.path.exists(path))
again = Hierarchies(unified=sys.argv[2], own={"": own + "/envforge-callers"})
print(v2.base(again) == base)
"""


@pytest.fixture
def delegated() -> Iterator[tuple[object, str, str]]:
    """Lend a cgroup that belongs to a plain user: the user, where version 2 is mounted, the cgroup's path."""
    top = hierarchies.find().unified
    if not top or not os.access(top, os.W_OK):
        pytest.skip("no cgroup2 is mounted that can be written to")
    if os.path.exists("/run/systemd/system"):
        pytest.skip("systemd delegates here")
    path = f"/envforge-test-{os.getpid()}"
    with lend(SINGLE) as user:
        os.mkdir(top + path)
        try:
            for name in ("", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"):
                os.chown(top + path + name, user.uid, user.gid)
            yield user, top, path
        finally:
            for below in ("/envforge", "/envforge-callers", ""):
                if os.path.isdir(top + path + below):
                    os.rmdir(top + path + below)


def test_a_delegated_cgroup_holds_sandboxes(delegated, request):
    user, top, path = delegated
    words = user.command([sys.executable, "-c", CODE, str(request.config.rootpath), top])
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    for pid in _all_of(process.pid):
        with open(f"{top}{path}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(pid))
    said = process.communicate("go\n", timeout=30)[0].splitlines()
    assert said == [f"{path}/envforge", "True", f"{path}/envforge-callers", "0", "False", "True"]


def _all_of(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [pid, *(one for word in file.read().split() for one in _all_of(int(word)))]
