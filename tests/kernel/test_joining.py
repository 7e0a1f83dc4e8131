"""A further process in a running sandbox is confined as its payload is, and nobody else's can be joined."""

import json
import os
import pty
import signal
import subprocess
import sys

import pytest
from box import BEGINNING
from processes import naming, own_mark, running, sandbox_parent, wait_until

pytestmark = pytest.mark.userns

JOIN = """
import json
from envforge.sandbox.life import join, running
from envforge.kernel.capabilities import DEFAULT
from envforge.sandbox.inherited import payload_environment, start_directory
wanted, options, command = sys.argv[3], json.loads(sys.argv[4]), sys.argv[5:]
one = next(one for one in running.running() if one.command[-1] == wanted)
environment = payload_environment(one.plan, os.environ)
cwd = options.get("cwd") or start_directory(one.plan)
plan = one.plan
if options.get("as_root"):
    rights = {"bounding": DEFAULT, "capabilities": DEFAULT, "credentials": (0, 0, ())}
    plan = plan | rights | {"nested": None}
raise SystemExit(join.enter(one, plan, join.Payload(command, environment, cwd)))
"""

ROOT = ["root", 0, 0, []]
OTHER = ["other", 7, 8, [9]]
SELF = None
STATE = """
import json, os, sys, time
def status(pid):
    lines = (line.split(":", 1) for line in open(f"/proc/{pid}/status").read().splitlines())
    names = "Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Seccomp_filters SigBlk"
    return {name: value.split() for name, value in lines if name in names.split()}
print(json.dumps({
    "status": status("self"),
    "namespaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")},
    "cwd": os.getcwd(),
    "root": os.stat("/").st_ino,
    "environment": dict(os.environ),
    "mounts": open("/proc/self/mountinfo").read(),
    "descriptors": sorted(os.listdir("/proc/self/fd")),
    "limits": open("/proc/self/limits").read(),
}), flush=True)
if len(sys.argv) > 1:
    time.sleep(60)
"""


@pytest.fixture
def inside(box):
    """Start a sandbox that prints its state and waits; return what starts it."""
    box.shell("true")
    started = []

    def begin(mark, *command, **options):
        command = command or ("sh", "-c", "echo ready; sleep 60; exit 3", mark)
        process = subprocess.Popen(
            box.command(*command, **options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        started.append((process, mark))
        return process, process.stdout.readline()

    yield begin
    for process, mark in started:
        for pid in naming(mark):
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        process.communicate(timeout=20)
    assert not box.leftovers()


def join_words(box, mark, *command, **options):
    box.shell("true")
    code = BEGINNING + JOIN
    words = [sys.executable, "-c", code, os.path.dirname(os.path.dirname(__file__)), box.home]
    return box.words([*words, mark, json.dumps(options), *command])


def joined(box, mark, *command, stdin="", **options):
    words = join_words(box, mark, *command, **options)
    return subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("account", [SELF, ROOT, OTHER], ids=["self", "root", "other"])
@pytest.mark.parametrize("network", ["host", "none"])
def test_it_is_confined_as_the_payload_is(box, inside, account, network):
    if account == OTHER and box.kind == "single":
        pytest.skip("a user with a single id runs nothing as another user")
    mark = own_mark("mark")
    options = {"account": account, "network": network, "python": True}
    variables = [["PATH", "/bin"], ["A", "b"]]
    command = [sys.executable, "-I", "-c", STATE]
    _, printed = inside(mark, *command, mark, variables=variables, **options)
    result = joined(box, mark, *command)
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == json.loads(printed)


def test_codes_streams_and_directories_are_as_with_run(box, inside):
    mark = own_mark("mark")
    inside(mark)
    codes = {"true": 0, "exit 7": 7, "kill -9 $$": 137, "kill -TERM $$": 143}
    assert {script: joined(box, mark, "sh", "-c", script).returncode for script in codes} == codes
    assert joined(box, mark, "no-such-program").returncode == 127
    assert joined(box, mark, "/etc").returncode == 126
    assert joined(box, mark, "true", cwd="/nowhere").returncode == 126
    result = joined(
        box, mark, "sh", "-c", "cat; pwd; echo err >&2; cat /proc/2/comm", stdin="in\n", cwd="/etc"
    )
    assert (result.stdout, result.stderr) == ("in\n/etc\nsh\n", "err\n")


def test_files_are_those_of_the_running_one(box, inside):
    mark = own_mark("mark")
    inside(mark, "sh", "-c", "echo here >/tmp/file; echo ready; sleep 60", mark)
    assert joined(box, mark, "cat", "/tmp/file").stdout == "here\n"
    assert box.run("cat", "/tmp/file").returncode == 1


def test_a_file_given_as_stdin_is_protected(box, inside):
    mark = own_mark("mark")
    inside(mark)
    path = f"{box.home}/given"
    with open(path, "w", encoding="ascii") as file:
        file.write("of the file\n")
    os.chown(path, box.uid, box.uid)
    words = join_words(box, mark, "sh", "-c", "cat; (echo spoilt >>/proc/self/fd/0) 2>/dev/null; true")
    with open(path, encoding="ascii") as file:
        result = subprocess.run(words, stdin=file, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("of the file\n", "")
    with open(path, encoding="ascii") as file:
        assert file.read() == "of the file\n"


def test_it_ends_with_the_sandbox_and_with_its_caller(box, inside):
    mark = own_mark("mark")
    first, _ = inside(mark)
    own = own_mark("97")
    process = subprocess.Popen(join_words(box, mark, "sleep", own))
    wait_until(lambda: running("sleep", own))
    os.kill(sandbox_parent(process), signal.SIGKILL)
    process.wait(20)
    wait_until(lambda: not running("sleep", own))
    process = subprocess.Popen(join_words(box, mark, "sleep", own))
    wait_until(lambda: running("sleep", own))
    os.kill(sandbox_parent(first), signal.SIGTERM)
    assert process.wait(20) == 137


def test_signals_reach_it(box, inside):
    mark = own_mark("mark")
    inside(mark)
    script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen(join_words(box, mark, "sh", "-c", script), stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    os.kill(sandbox_parent(process), signal.SIGTERM)
    assert process.communicate(timeout=20)[0] == "got\n"
    assert process.returncode == 9


WATCH = """
import os, time
while True:
    for name in os.listdir("/proc"):
        if not name.isdecimal() or int(name) <= 2 or int(name) == os.getpid():
            continue
        try:
            words = open(f"/proc/{name}/cmdline").read()
            if "envforge" not in words and "from box" not in words:
                continue
            for what in ("fd", "exe", "root", "environ", "mem"):
                path = f"/proc/{name}/{what}"
                try:
                    look = {"fd": os.listdir, "mem": open}.get(what, os.readlink)
                    found = look(path) if what != "environ" else open(path).read()
                except PermissionError:
                    print("refused", what, flush=True)
                else:
                    if open(f"/proc/{name}/cmdline").read() == words:
                        print("SEEN", what, found, flush=True)
        except OSError:
            continue
"""


@pytest.mark.parametrize("account", [SELF, ROOT], ids=["self", "root"])
def test_nobody_inside_can_look_into_it_before_it_is_one_of_them(box, inside, account):
    mark = own_mark("mark")
    process, _ = inside(
        mark,
        sys.executable,
        "-I",
        "-c",
        f"print('ready', flush=True){WATCH}",
        mark,
        account=account,
        python=True,
    )
    for _ in range(4):
        assert joined(box, mark, "true").returncode == 0
    os.kill(sandbox_parent(process), signal.SIGTERM)
    said = process.communicate(timeout=20)[0].splitlines()
    assert not [line for line in said if line.startswith("SEEN")], said


def test_a_record_of_a_dead_one_is_removed_and_a_forged_one_not_believed(box, inside):
    mark = own_mark("mark")
    process, _ = inside(mark)
    listing = "from envforge.sandbox.life import running\nprint(len(running.running()))\n"
    assert box.program(listing) == "1\n"
    place = box.program("from envforge.sandbox import record\nprint(record.directory())\n").strip()
    (name,) = os.listdir(place)
    with open(f"{place}/{name}", "rb") as file:
        data = file.read()
    assert os.stat(f"{place}/{name}").st_mode == 0o100600
    assert os.stat(place).st_mode == 0o40700
    forged = (
        "import fcntl, time\n"
        f"file = open({place + '/' + '0' * 12!r}, 'xb')\nos.chmod(file.name, 0o600)\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        f"file.write({data!r})\nfile.flush()\n"
    )
    assert box.program(f"{forged}{listing}") == "1\n"
    os.unlink(f"{place}/{'0' * 12}")
    os.kill(sandbox_parent(process), signal.SIGKILL)
    process.wait(20)
    wait_until(lambda: not naming(mark))
    assert os.listdir(place) == [name]
    os.utime(f"{place}/{name}", (1, 1))
    assert box.program(listing) == "0\n"
    assert os.listdir(place) == []
    box.shell("true")


ANOTHERS = """
import marshal
from envforge.sandbox.life import namespaces
from envforge.sandbox.life.running import Running
values = marshal.loads(bytes.fromhex(sys.argv[3]))
one = Running("x", "x", "", "default", "", "", (), values["pid"], 0, values["started"], values["plan"])
try:
    namespaces.open_namespaces(one)
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.root
def test_anothers_cannot_be_joined_by_root_either(ranges_box, root_box):
    mark = own_mark("mark")
    words = ranges_box.command("sh", "-c", "echo ready; sleep 60", mark)
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    found = ranges_box.program(
        "import marshal\nfrom envforge.sandbox.life import running\n"
        "one, = running.running()\n"
        'print(marshal.dumps({"pid": one.pid, "started": one.started_ticks, "plan": one.plan}).hex())\n'
    )
    assert root_box.program(ANOTHERS, found.strip()) == "PermissionError\n"
    assert root_box.program("from envforge.sandbox.life import running\nprint(running.running())\n") == "()\n"
    os.kill(sandbox_parent(process), signal.SIGTERM)
    process.communicate(timeout=20)


def test_another_user_of_the_sandbox(several_ids_box):
    box = several_ids_box
    box.shell("true")
    mark = own_mark("mark")
    words = box.command("sh", "-c", "echo ready; sleep 60", mark)
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    script = "id -u; id -g; grep -E 'NoNewPrivs|Seccomp:' /proc/self/status; stat -c %u /etc/owned"
    result = joined(box, mark, "sh", "-c", f"{script}; chown 7 /tmp", as_root=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.split() == ["0", "0", "NoNewPrivs:", "1", "Seccomp:", "2", "5"]
    os.kill(sandbox_parent(process), signal.SIGTERM)
    process.communicate(timeout=20)


def test_a_terminal_is_one_for_the_joined_process_too(box, inside):
    mark = own_mark("mark")
    inside(mark)
    script = "test -t 0 && test -t 1 && echo ready; read line; echo got $line; exit 7"
    words = join_words(box, mark, "sh", "-c", script)
    pid, master = pty.fork()
    if pid == 0:
        os.execvp(words[0], words)
    shown = b""
    typed = False
    try:
        while piece := os.read(master, 1 << 16):
            shown += piece
            if b"ready" in shown and not typed:
                os.write(master, b"through\n")
                typed = True
    except OSError:
        pass  # Linux answers EIO at the end of a terminal
    _, status = os.waitpid(pid, 0)
    os.close(master)
    assert b"got through" in shown, shown
    assert os.waitstatus_to_exitcode(status) == 7
