"""Sandboxes that outlive who asked for them, and upper directories that are kept by name."""

import os

import pytest
from processes import own_mark, running, wait_until

pytestmark = pytest.mark.userns

KEPT = """
from envforge.errors import NotFoundError, StoreError, UsageError
from envforge.sandbox.life import kept
from envforge.sandbox import uppers
from envforge.sandbox.confined.deleting import delete
def run(script, name="one", **options):
    plan = compiled_plan(home, options)
    return start(plan, Payload(["sh", "-c", script], {"PATH": "/bin"}, "/"), upper=kept.keep(plan, name))
def refused(kind, function, *arguments):
    try:
        function(*arguments)
    except kind:
        return True
    return False
plan = compiled_plan(home, {})
assert kept.names(plan) == []
assert wait(run("echo changed >/etc/hosts; mkdir -p /a/b; rm /etc/owned")) == 0
assert wait(run('test "$(cat /etc/hosts)" = changed && test -d /a/b && ! test -e /etc/owned')) == 0
assert wait(run("test -d /a/b", "other")) == 1
assert wait(start(plan, Payload(["test", "-d", "/a/b"], {"PATH": "/bin"}, "/"))) == 1
uppers.sweep(plan["uppers"], plan["trash"], delete)
assert kept.names(plan) == ["one", "other"]
sleeping = run("sleep 60")
assert refused(StoreError, kept.keep, plan, "one")
assert refused(StoreError, kept.forget, plan, "one", delete)
signal.pidfd_send_signal(sleeping.pidfd, signal.SIGKILL)
assert wait(sleeping) == 137
assert wait(run("test -d /a/b")) == 0
assert refused(StoreError, kept.keep, plan | {"layers": ("x",)}, "one")
for name in ("", "../x", "a/b", "A", "-a", "x" * 64):
    assert refused(UsageError, kept.keep, plan, name), name
before = os.listdir("/proc/self/fd")
wait(run("true"))
assert os.listdir("/proc/self/fd") == before
kept.forget(plan, "one", delete)
kept.forget(plan, "other", delete)
assert refused(NotFoundError, kept.forget, plan, "one", delete)
"""


def test_what_was_changed_is_there_again_under_its_name(box):
    box.shell("true")
    box.program(KEPT)
    assert box.leftovers() == []


BEGIN = """
from envforge.sandbox.life import monitor
read, write = os.pipe()
nothing = os.open(os.devnull, os.O_RDWR)
def begin():
    command = ["sh", "-c", sys.argv[3]]
    streams = (nothing, write, nothing)
    plan = compiled_plan(home, {})
    found.append(monitor.start(plan, command, {"PATH": "/bin"}, "/", streams, name=sys.argv[4]))
found = []
thread = threading.Thread(target=begin)
thread.start()
thread.join()
os.close(write)
assert open(read).readline() == "ready\\n"
print(found[0].id, found[0].monitor, flush=True)
"""
GONE = "sys.stdout.flush()\nos._exit(0)\n"
WAITED = "assert found[0].wait() == 5\n"
LOOK = """
from envforge.sandbox.life import ended, running
print([one.id for one in running.running()], ended.code_of(sys.argv[3]))
"""


def test_it_outlives_who_asked_for_it_and_leaves_its_exit_code(box):
    box.shell("true")
    script = f"echo ready; while ! test -e /tmp/end; do sleep 0.1; done; exit {40 + len(box.kind)}"
    identifier, monitor = box.program(BEGIN + GONE, script, "").split()
    assert box.program(LOOK, identifier) == f"['{identifier}'] None\n"
    with open(f"/proc/{monitor}/status", encoding="ascii") as file:
        assert "\nPPid:\t1\n" in file.read()
    join = (
        "from envforge.sandbox.life import join, running\n"
        "one, = running.running()\n"
        'assert join.enter(one, one.plan, join.Payload(["touch", "/tmp/end"], {"PATH": "/bin"}, "/")) == 0\n'
    )
    box.program(join)
    wait_until(lambda: box.program(LOOK, identifier) == f"[] {40 + len(box.kind)}\n")
    wait_until(lambda: not os.path.exists(f"/proc/{monitor}"))
    assert box.leftovers() == []


def test_who_asked_can_wait_for_it(box):
    box.shell("true")
    identifier, _ = box.program(BEGIN + WAITED, "echo ready; exit 5", "").split()
    assert box.program(LOOK, identifier) == "[] 5\n"


def test_a_signal_to_the_monitor_reaches_the_payload_and_its_death_ends_all(box):
    box.shell("true")
    mark = own_mark("96")
    script = f"trap 'exit 9' TERM; echo ready; sleep {mark} & wait"
    identifier, monitor = box.program(BEGIN + GONE, script, "").split()
    box.program("os.kill(int(sys.argv[3]), signal.SIGTERM)", monitor)
    wait_until(lambda: box.program(LOOK, identifier) == "[] 9\n")
    identifier, monitor = box.program(BEGIN + GONE, script, "").split()
    box.program("os.kill(int(sys.argv[3]), signal.SIGKILL)", monitor)
    wait_until(lambda: not running("sleep", mark))
    assert box.program(LOOK, identifier) == "[] None\n"
    box.shell("true")
    assert box.leftovers() == []


REFUSED = """
from envforge.errors import UsageError
from envforge.sandbox.life import monitor
nothing = os.open(os.devnull, os.O_RDWR)
def begin(name="", **options):
    monitor.start(compiled_plan(home, options), ["true"], {}, "/", (nothing,) * 3, name=name)
try:
    begin(mounts=[("/no/such/place", "/mnt")])
except perform.RefusedError as error:
    print(error.step)
try:
    begin("..")
except UsageError:
    print("UsageError")
"""


def test_a_refusal_comes_back_to_who_asked(box):
    box.shell("true")
    said = box.program(REFUSED).splitlines()
    assert said[1:] == ["UsageError"]
    assert box.leftovers() == []
