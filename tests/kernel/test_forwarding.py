"""Sockets of the host that are let in: real agents, and listeners of the test's own for displays."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
from processes import wait_until

pytestmark = pytest.mark.userns

RUNTIME = "/run/user/7"
SERVER = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("ready", flush=True)
while True:
    caller, _ = server.accept()
    try:
        caller.sendall(b"display")
    except OSError:
        pass
    caller.close()
"""
CLIENT = """
import os, socket, sys
path = sys.argv[1] if sys.argv[1].startswith("/") else os.environ[sys.argv[1]]
client = socket.socket(socket.AF_UNIX)
client.connect(path)
if sys.argv[2]:
    client.sendall(bytes.fromhex(sys.argv[2]))
print(client.recv(64).hex())
"""
ANSWER = b"display".hex()


@contextmanager
def running(box, *command):
    """Run a server of the box's user until the block is left."""
    process = subprocess.Popen(box.words(command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@contextmanager
def listening(box, path):
    with running(box, sys.executable, "-c", SERVER, path) as server:
        assert server.stdout.readline() == b"ready\n"
        yield


def ask(box, where, question="", **options):
    """Connect to a socket inside, by its path or the variable that names it; return answer and messages."""
    words = [sys.executable, "-I", "-c", CLIENT, where, question]
    said = box.run(*words, python=True, runtime=RUNTIME, **options)
    return said.stdout.strip(), said.stderr


def needs(program):
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")


ALL_USERS = [None, ["root", 0, 0], ["games", 5, 60]]


@pytest.mark.parametrize("account", ALL_USERS)
def test_a_real_ssh_agent_answers(box, account):
    needs("ssh-agent")
    if account and account[1] and box.kind == "single":
        pytest.skip("a user with a single id runs nothing as another user")
    box.shell("true")
    path = f"{box.home}/agent"
    with running(box, "ssh-agent", "-D", "-a", path):
        wait_until(lambda: os.path.exists(path))
        question = "000000010b"  # SSH_AGENTC_REQUEST_IDENTITIES; it answers that there are none
        said = ask(
            box,
            "SSH_AUTH_SOCK",
            question,
            forward=["ssh-agent"],
            account=account,
            host={"SSH_AUTH_SOCK": path},
        )
        assert said == ("000000050c00000000", "")


@pytest.mark.parametrize("home", [".gnupg", "keys"])
def test_a_real_gpg_agent_answers(box, home):
    needs("gpg-agent")
    box.shell("true")
    where = box.words(["sh", "-c", 'echo "$HOME"'])
    top = subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip()
    keys = f"{top}/{home}"
    subprocess.run(box.words(["mkdir", "-m", "700", keys]), check=True)
    host = {} if home == ".gnupg" else {"GNUPGHOME": keys}
    start = box.words(["gpg-agent", "--homedir", keys, "--daemon"])
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        answer, said = ask(box, f"{RUNTIME}/gnupg/S.gpg-agent", forward=["gpg-agent"], host=host)
        assert bytes.fromhex(answer).startswith(b"OK Pleased to meet you"), said
        assert said == ""
        mode = box.shell(f"stat -c %a {RUNTIME}/gnupg", runtime=RUNTIME, forward=["gpg-agent"], host=host)
        assert mode == "700\n"
    finally:
        end = ["gpgconf", "--homedir", keys, "--kill", "gpg-agent"]
        subprocess.run(box.words(end), check=True)


@pytest.mark.parametrize("absolute", [True, False])
def test_a_wayland_compositor_is_reached(box, absolute):
    box.shell("true")
    path = f"{box.home}/wayland-3"
    name = path if absolute else "wayland-3"
    with listening(box, path):
        host = {"WAYLAND_DISPLAY": name, "XDG_RUNTIME_DIR": box.home}
        said = ask(box, f"{RUNTIME}/wayland-0", forward=["wayland"], host=host)
        assert said == (ANSWER, "")
        script = "echo $WAYLAND_DISPLAY"
        assert box.shell(script, runtime=RUNTIME, forward=["wayland"], host=host) == "wayland-0\n"


def cookie(family, address, number, data):
    parts = (address, number, b"MIT-MAGIC-COOKIE-1", data)
    return family.to_bytes(2, "big") + b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def test_an_x_server_is_reached_with_its_cookie(box):
    box.shell("true")
    number = 20_000 + os.getpid() % 10_000
    os.makedirs("/tmp/.X11-unix", 0o1777, exist_ok=True)
    if os.stat("/tmp/.X11-unix").st_uid == os.getuid():
        os.chmod("/tmp/.X11-unix", 0o1777)  # whatever the umask is
    path = f"/tmp/.X11-unix/X{number}"
    entries = [
        cookie(256, b"a-machine", str(number).encode(), b"right"),
        cookie(256, b"a-machine", b"1", b"other"),
        cookie(0, b"\x7f\0\0\1", b"", b"by address"),
    ]
    authority = f"{box.home}/authority"
    write = ["sh", "-c", f"umask 077; printf %s '{b''.join(entries).hex()}' >{authority}.hex"]
    subprocess.run(box.words(write), check=True)
    turn = f"open({authority!r}, 'wb').write(bytes.fromhex(open({authority + '.hex'!r}).read()))"
    subprocess.run(box.words([sys.executable, "-c", turn]), check=True)
    host = {"DISPLAY": f":{number}.0", "XAUTHORITY": authority}
    options = {"forward": ["x11"], "host": host, "runtime": RUNTIME}
    try:
        with listening(box, path):
            assert ask(box, path, forward=["x11"], host=host) == (ANSWER, "")
            assert ask(box, path, forward=["x11"], host=host, network="none") == (ANSWER, "")
            told = box.shell("echo $DISPLAY; stat -c %a $XAUTHORITY; od -An -v -tx1 $XAUTHORITY", **options)
    finally:
        os.unlink(path)
    display, mode, *dump = told.split()
    assert (display, mode) == (f":{number}.0", "600")
    kept = cookie(0xFFFF, b"", str(number).encode(), b"right") + entries[2]
    assert bytes.fromhex("".join(dump)) == kept


@pytest.mark.parametrize(
    ("name", "host", "told"),
    [
        ("ssh-agent", {}, "SSH_AUTH_SOCK is not set"),
        ("ssh-agent", {"SSH_AUTH_SOCK": "/nonexistent"}, "SSH_AUTH_SOCK leads to /nonexistent"),
        ("ssh-agent", {"SSH_AUTH_SOCK": "/etc/passwd"}, "no socket"),
        ("ssh-agent", {"SSH_AUTH_SOCK": "DEAD"}, "nobody answers"),
        ("gpg-agent", {"GNUPGHOME": "/nonexistent"}, "/nonexistent/S.gpg-agent.extra"),
        ("wayland", {}, "WAYLAND_DISPLAY is not set"),
        ("wayland", {"WAYLAND_DISPLAY": "w"}, "XDG_RUNTIME_DIR is not set"),
        ("x11", {}, "DISPLAY is not set"),
        ("x11", {"DISPLAY": ":29999"}, "DISPLAY=:29999 leads to /tmp/.X11-unix/X29999"),
    ],
)
def test_what_is_not_there_is_told_and_left_out(single_box, name, host, told):
    box = single_box
    box.shell("true")
    if "DEAD" in host.values():
        dead = f"{box.home}/dead"
        with listening(box, dead):
            pass
        host = {"SSH_AUTH_SOCK": dead}
    result = box.run("sh", "-c", "env; exit 3", forward=[name], runtime=RUNTIME, host=host)
    assert result.returncode == 3, result.stderr
    assert f"note: {name} is not forwarded: " in result.stderr
    assert told in result.stderr
    assert not [line for line in result.stdout.splitlines() if line.startswith(tuple(host))]


@pytest.mark.parametrize("account", ALL_USERS)
def test_the_runtime_directory_is_the_users_own(box, account):
    if account and account[1] and box.kind == "single":
        pytest.skip("a user with a single id runs nothing as another user")
    script = f"stat -c '%a %u' {RUNTIME}; id -u; touch {RUNTIME}/x; stat -c '%a %u' /run/user"
    mode, owner, own, *above = box.shell(script, runtime=RUNTIME, account=account).split()
    assert (mode, owner) == ("700", own)
    # What root of the mount namespace makes is the caller's, where the caller's id and 0 have changed places.
    assert above == ["755", own if account is None else "0"]


def test_nothing_is_left_of_a_relay(root_box):
    needs("ssh-agent")
    root_box.shell("true")
    path = f"{root_box.home}/agent"
    with running(root_box, "ssh-agent", "-D", "-a", path):
        wait_until(lambda: os.path.exists(path))
        command = root_box.command(
            "true", forward=["ssh-agent"], runtime=RUNTIME, host={"SSH_AUTH_SOCK": path}
        )
        reaper = [sys.executable, "-c", SUBREAPER, *command]
        result = subprocess.run(reaper, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout, result.stderr) == (0, "0 []\n", "")


SUBREAPER = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what is left behind becomes ours
code = subprocess.run(sys.argv[1:]).returncode
with open(f"/proc/self/task/{os.getpid()}/children") as file:
    print(code, file.read().split())
"""
