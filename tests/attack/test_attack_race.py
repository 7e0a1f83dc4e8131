"""Races that are made certain: PID 1 of a sandbox is held where it is most open, and the payload looks."""

import os
import signal
import socket
import sys
import threading
import time

import pytest
from canary import GaveWayError

pytestmark = pytest.mark.userns

DELAYED = """
import sys, time
from envforge.kernel import processes
for name in ("set_dumpable", "set_capabilities", "drop_bounding", "set_no_new_privileges", "set_seccomp"):
    def late(*arguments, real=getattr(processes, name)):
        time.sleep(0.2)
        return real(*arguments)
    setattr(processes, name, late)
from envforge.hot import main
sys.argv[0] = "envforge"
raise SystemExit(main())
"""
"""Every step by which PID 1 closes itself takes its time."""

LOOK = """
import ctypes, os, sys, time
wanted = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
end = time.monotonic() + 2.5
found = set()
while time.monotonic() < end:
    for request in (16, 0x4206):
        if libc.ptrace(ctypes.c_long(request), 1, None, None) == 0:
            found.add("ptrace")
            libc.ptrace(ctypes.c_long(17), 1, None, None)
    try:
        for number in os.listdir("/proc/1/fd"):
            found.add("descriptors")
            for up in ("", "../" * 40):
                try:
                    print(open(f"/proc/1/fd/{number}/{up}{wanted}").read())
                except OSError:
                    continue
    except OSError:
        pass
    for place in (f"/proc/1/root{wanted}", f"/proc/1/cwd/{'../' * 40}{wanted}"):
        try:
            print(open(place).read())
        except OSError:
            continue
    for name in ("mem", "environ", "exe"):
        try:
            os.close(os.open(f"/proc/1/{name}", os.O_RDONLY))
            found.add(name)
        except OSError:
            continue
print("FOUND", sorted(found))
"""


@pytest.mark.parametrize("user", ["self", "root"])
def test_first_process_is_closed_before_the_payload_runs(victim, user):
    victim.want("attacker")
    victim.write(victim.project / "look.py", LOOK)
    victim.succeed("run", "--", "true")
    allowed = {"ENVFORGE_ALLOW": "1"}
    words = ["run", "-u", user] if user == "root" else ["run"]
    words += ["--", "python3", "-I", str(victim.project / "look.py"), str(victim.canary.secret)]
    result = victim.command([sys.executable, "-c", DELAYED, *words], environment=allowed)
    victim.check(result.stdout)
    assert "FOUND" in result.stdout, result.stderr
    if "FOUND []" not in result.stdout:
        raise GaveWayError(result.stdout)


def test_project_file_is_swapped_while_it_is_entered(victim):
    """A source of a mount is a directory at one moment and a link at the next, without end."""
    (victim.project / "data").mkdir()
    victim.give(victim.project / "data")
    (victim.project / "link").symlink_to(victim.canary.path)
    victim.want(more='[[mounts]]\nsource = "data"\ntarget = "/mnt/x"\noptional = true')
    victim.succeed("run", "--", "true")
    stop = threading.Event()

    def swap():
        data, link, spare = (str(victim.project / name) for name in ("data", "link", "spare"))
        while not stop.is_set():
            os.rename(data, spare)
            os.rename(link, data)
            os.rename(data, link)
            os.rename(spare, data)

    thread = threading.Thread(target=swap)
    thread.start()
    told = ""
    try:
        for _ in range(25):
            result = victim.run("run", "--", "sh", "-c", "cat /mnt/x/secret; : >/mnt/x/new")
            told += result.stdout + result.stderr
    finally:
        stop.set()
        thread.join()
    victim.check(told)


def test_abstract_sockets_of_the_host(victim):
    """With the host's network, the desktop's sockets are one connect away: closed where the kernel can."""
    name = f"\0envforge-attack-{os.getpid()}-{victim.kind}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        script = f"import socket; print(socket.socket(socket.AF_UNIX).connect_ex({name!r}) or 'connected')"
        victim.want("attacker")
        told = victim.run("run", "--", "python3", "-I", "-c", script)
    if "connected" in told.stdout:
        raise GaveWayError("connected")


def test_signals_to_processes_of_the_host(victim):
    """No number of a process leads outside, nor does a process group or all that may be signalled."""
    sleeper = victim.user.command(["sleep", "60"])
    import subprocess

    process = subprocess.Popen(sleeper, start_new_session=True)
    try:
        script = f"kill -9 {process.pid}; kill -9 -{process.pid}; kill -9 -1; echo done"
        victim.run("run", "--", "sh", "-c", script)
        time.sleep(0.2)
        if process.poll() is not None:
            raise GaveWayError("a process of the host was ended")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_standard_input_is_not_written_to(victim):
    """A file that was handed in for reading is only read."""
    file = victim.write(victim.canary.path / "given", "given\n")
    victim.canary.add("given", b"given\n")
    inside = "echo written 1<>/proc/self/fd/0; echo more >>/dev/stdin; cat >/dev/null"
    shell = f"exec envforge run -- sh -c '{inside}' <{file}"
    victim.command(["sh", "-c", shell])
    victim.check()


def test_scripts_do_not_have_the_callers_terminal(victim):
    """A build that is started on a terminal gives its scripts none to read passwords from."""
    victim.package(postinst="echo a-script-asks >/dev/tty; true")
    import pty

    pid, leader = pty.fork()
    if pid == 0:
        os.chdir(victim.project)
        words = victim.user.command(["envforge", "build"])
        os.execvp(words[0], words)
    shown = b""
    try:
        while piece := os.read(leader, 1 << 16):
            shown += piece
    except OSError:
        pass
    os.waitpid(pid, 0)
    os.close(leader)
    if b"a-script-asks" in shown and b"cannot create" not in shown:
        raise GaveWayError("a script wrote to the caller's terminal")
