"""PID 1 of a sandbox holds the host's Python, its descriptors and its memory: nobody inside gets at them."""

import os
import signal
import subprocess
import sys

import pytest
from processes import own_mark, running, sandbox_parent, wait_until

pytestmark = pytest.mark.userns

ROOT = ["root", 0, 0, []]
OTHER = ["five", 5, 6, []]

ATTACK = r"""
import ctypes, os, signal, sys, time
libc = ctypes.CDLL(None, use_errno=True)
got = set()

def attempt(name, function):
    try:
        found = function()
    except OSError:
        return
    if found not in (None, b"", "", []):
        got.add(name)

def trace(request):
    if libc.ptrace(request, 1, 0, 0) == 0:
        os.waitpid(1, 0) if request == 16 else None
        libc.ptrace(17, 1, 0, 0)
        return "traced"

def descriptor():
    pidfd = os.pidfd_open(1)
    try:
        if libc.syscall(438, pidfd, 0, 0) >= 0:
            return "taken"
    finally:
        os.close(pidfd)

def read(path):
    with open(path, "rb", buffering=0) as file:
        return file.read(64)

def memory():
    with open("/proc/1/mem", "rb", buffering=0) as file:
        return "opened"

end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    for request in (16, 0x4206):
        attempt("ptrace", lambda: trace(request))
    attempt("pidfd_getfd", descriptor)
    attempt("fd", lambda: os.listdir("/proc/1/fd"))
    for name in ("root", "cwd"):
        attempt(name, lambda: os.listdir(f"/proc/1/{name}/"))
        attempt(name, lambda: os.readlink(f"/proc/1/{name}"))
    attempt("exe", lambda: os.readlink("/proc/1/exe"))
    attempt("mem", memory)
    for name in ("environ", "maps", "auxv"):
        attempt(name, lambda: read(f"/proc/1/{name}"))
    for kind in ("mnt", "user", "net"):
        attempt("ns", lambda: os.open(f"/proc/1/ns/{kind}", os.O_RDONLY))
    for number in range(20):
        attempt("descriptors", lambda: os.open(f"/proc/1/fd/{number}", os.O_PATH))
print(" ".join(sorted(got)) or "nothing")
"""


@pytest.mark.parametrize("account", [None, ROOT], ids=["self", "root"])
def test_the_first_process_is_closed_however_slow_it_is(box, account):
    options = {} if account is None else {"account": account}
    assert box.python(ATTACK, "2", slow_first_process=0.4, **options) == "nothing\n"
    assert box.python(ATTACK, "0.2", **options) == "nothing\n"


def test_the_first_process_says_nothing_of_the_host(box):
    told = box.shell("cat /proc/1/cmdline | tr '\\0' ' '; cat /proc/1/comm")
    assert told.split() == ["envforge", "envforge"]
    listed = box.shell("ps -o pid,args")
    assert sys.executable not in listed
    assert box.home not in listed


@pytest.mark.root
@pytest.mark.parametrize("account", [None, ROOT], ids=["self", "root"])
def test_the_first_process_holds_locks_and_streams_only(box, account):
    mark = own_mark("94")
    options = {} if account is None else {"account": account}
    held = os.open("/", os.O_RDONLY)
    os.set_inheritable(held, True)
    command = box.command("sleep", mark, **options)
    process = subprocess.Popen(command, pass_fds=(held,), stdin=subprocess.DEVNULL)
    try:
        sleeping = wait_until(lambda: running("sleep", mark))
        first = f"/proc/{parent_of(sleeping[0])}"
        wait_until(lambda: len(os.listdir(f"{first}/fd")) == 5)  # the pipes of the start are gone
        open_files = [os.readlink(f"{first}/fd/{number}") for number in os.listdir(f"{first}/fd")]
        own = [name for name in open_files if name.startswith(box.home)]
        assert sorted(os.path.basename(name) for name in own) == ["e.json", "lock"]
        assert not any(os.path.isdir(f"{first}/fd/{number}") for number in os.listdir(f"{first}/fd"))
        with open(f"{first}/status", encoding="ascii") as file:
            status = dict(line.split(":", 1) for line in file)
        allowed = 0 if account is None else 1 << 5  # CAP_KILL, for signals to another uid
        assert int(status["CapPrm"], 16) == allowed
        assert status["NoNewPrivs"].strip() == "1"
    finally:
        os.close(held)
        os.kill(sandbox_parent(process), signal.SIGTERM)
        process.wait(20)


def parent_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("PPid"))


def test_signals_reach_a_payload_of_another_uid(several_ids_box):
    box = several_ids_box
    script = "trap 'echo got; exit 7' TERM; echo ready; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; done"
    command = box.command("sh", "-c", script, account=OTHER)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    os.kill(sandbox_parent(process), signal.SIGTERM)
    assert process.communicate(timeout=20)[0] == "got\n"
    assert process.returncode == 7


@pytest.mark.parametrize("link", ["/proc/self/cwd", "/proc/1/root", "/proc/self/fd/9", "."])
def test_a_kept_link_makes_nothing_on_the_host(box, link):
    box.shell(f'ln -sfn "{link}{box.home}/outside" out')
    for name in ("outside", "source", "source/shown"):
        os.mkdir(f"{box.home}/{name}")
        os.chown(f"{box.home}/{name}", box.uid, -1)
    target = f"{box.project}/out/planted"
    assert box.run("ls", target, mounts=[[f"{box.home}/source", target]]).stdout == "shown\n"
    assert os.listdir(f"{box.home}/outside") == []
