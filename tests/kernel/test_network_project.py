"""A project's network: its sandboxes reach each other by name, and it ends with the last one."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from hashlib import blake2b

import pytest
from box import BEGINNING
from processes import command_of, naming, own_mark, wait_until
from test_joining import JOIN

pytestmark = pytest.mark.userns

START = """
import json
from envforge.containers.network import member as members
identity, names, options, command = sys.argv[3], sys.argv[4].split(), json.loads(sys.argv[5]), sys.argv[6:]
options.update(network="private", python=True)
options.setdefault("mounts", []).append([home + "/hosts", "/etc/hosts", True, False, True])
with open(home + "/hosts", "w") as file:
    file.write("127.0.0.1 localhost\\n")
os.chmod(home + "/hosts", 0o644)
compiled = compiled_plan(home, options)
member, plan = members.join(compiled, identity, names)
started = start(plan, Payload(command, {"PATH": "/bin"}, "/"), member=member)
code = wait(started)
member.close()
raise SystemExit(code)
"""

SERVE = """
import socket, sys
listener = socket.create_server(("", 5432))
print("ready", flush=True)
while True:
    one, (address, _) = listener.accept()
    one.sendall(address.encode())
    one.close()
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], 5432), timeout=30) as one:
    print(socket.gethostbyname(sys.argv[1]), one.recv(100).decode())
"""


@pytest.fixture
def member(box):
    """Start sandboxes in a network; return what does it."""
    box.shell("true")
    started = []

    def begin(identity, names, *command, **options):
        import json

        tests = os.path.dirname(os.path.dirname(__file__))
        words = [sys.executable, "-c", BEGINNING + START, tests, box.home]
        process = subprocess.Popen(
            box.words([*words, identity, names, json.dumps(options), *command]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            for pid in naming(box.home):
                with suppress(FileNotFoundError):
                    if command_name(pid) != "envforge-net":
                        end(pid)  # what runuser has started does not end with it
            process.kill()
        process.communicate()


def end(pid):
    """Kill a process, if it is still there: one may take others with it."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def python(code, *words):
    return (sys.executable, "-I", "-c", code, *words)


def done(process, timeout_s=60):
    said, _ = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, said
    return said


def holders(identity):
    """Return the holder of that network, with its directory; none if there is none."""
    key = blake2b(identity.encode(), digest_size=8).hexdigest()
    found = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):
            if command_name(name) == "envforge-net":
                held = [os.readlink(entry) for entry in os.scandir(f"/proc/{name}/fd")]
                found |= {int(name): os.path.dirname(one) for one in held if one.endswith(f"/{key}/users")}
    return found


def command_name(pid):
    """Return what a process calls itself."""
    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().rstrip("\n")


def test_they_reach_each_other_by_name_and_nothing_is_left(box, member):
    identity = own_mark("project")
    db = member(identity, "db shop-db", *python(SERVE))
    assert db.stdout.readline() == "ready\n"
    first = done(member(identity, "web", *python(ASK, "db")))
    place, seen = first.split()
    assert place.startswith("10.89.")
    assert seen.startswith("10.89.")
    assert seen != place
    assert done(member(identity, "web", *python(ASK, "shop-db"))).split()[0] == place
    other = member(own_mark("another"), "web", *python(ASK, "db"))
    assert other.wait(timeout=60) != 0
    [directory] = wait_until(lambda: holders(identity)).values()
    db.kill() if box.kind == "root" else os.kill(db.pid, signal.SIGTERM)
    for pid in set(naming(SERVE[:40])) - set(holders(identity)):
        end(pid)
    wait_until(lambda: not os.path.exists(directory) and not holders(identity))


SERVE_SIX = """
import socket, sys
listener = socket.create_server(("::", 5432), family=socket.AF_INET6)
print("ready", flush=True)
one, (address, *_) = listener.accept()
one.sendall(address.encode())
one.close()
sys.stdin.readline()
"""


def test_they_reach_each_other_by_ipv6_too(member):
    identity = own_mark("six")
    db = member(identity, "db shop-db", *python(SERVE_SIX))
    assert db.stdout.readline() == "ready\n"
    code = """
import socket
(*_, place), = socket.getaddrinfo("shop-db", 5432, socket.AF_INET6, socket.SOCK_STREAM)
with socket.create_connection(place[:2], timeout=30) as one:
    print(place[0], one.recv(100).decode())
"""
    place, seen = done(member(identity, "web", *python(code))).split()
    assert place.startswith("fd")
    assert place.endswith("::2")
    assert seen == place[:-1] + "3"
    db.communicate("end\n")
    other = member(
        own_mark("other"), "web", *python(f"import socket; socket.create_connection(('{place}', 5432), 2)")
    )
    assert other.wait(timeout=60) != 0


def test_who_came_first_learns_of_who_comes_later_and_leaves(member):
    identity = own_mark("later")
    script = "echo ready; until grep -q late /etc/hosts; do sleep 0.05; done; echo there; "
    script += "while grep -q late /etc/hosts; do sleep 0.05; done; cat /etc/hosts"
    early = member(identity, "early", "sh", "-c", script)
    assert early.stdout.readline() == "ready\n"
    late = member(identity, "late", "sh", "-c", "read line; grep early /etc/hosts")
    assert early.stdout.readline() == "there\n"
    assert "early" in late.communicate("go\n", timeout=30)[0]
    said = done(early)
    assert said.startswith("127.0.0.1 localhost\n10.89.")
    assert "late" not in said


def test_a_network_is_as_private_as_a_sandbox_alone(member):
    with socket.create_server(("0.0.0.0", 0)) as listener:
        code = f"""
import socket
reached = []
for place in ("127.0.0.1", "10.89.0.1", "{socket.gethostbyname(socket.gethostname())}"):
    try:
        socket.create_connection((place, {listener.getsockname()[1]}), timeout=1).close()
        reached.append(place)
    except OSError:
        pass
print(reached)
"""
        assert done(member(own_mark("alone"), "a", *python(code))) == "[]\n"


def test_ids_are_as_without_a_network(box, member):
    script = "id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map; touch /tmp/x && stat -c %u /tmp/x"
    alone = box.shell(script, network="none")
    assert done(member(own_mark("ids"), "a", "sh", "-c", script)).split()[:2] == alone.split()[:2]


def test_a_place_is_free_again_after_a_kill(box, member):
    identity = own_mark("killed")
    stays = member(identity, "stays", "sh", "-c", "echo ready; sleep 30")
    assert stays.stdout.readline() == "ready\n"
    dies = member(identity, "dies", "sh", "-c", "echo ready; sleep 30")
    assert dies.stdout.readline() == "ready\n"
    for pid in naming(f"{box.home}"):
        if "dies" in command_of(pid):
            end(pid)
    dies.communicate()
    time.sleep(0.2)
    said = done(member(identity, "next", "sh", "-c", "cat /etc/hosts"))
    assert "dies" not in said
    assert "stays" in said


def test_a_member_can_be_joined(box, member):
    mark = own_mark("joined")
    stays = member(own_mark("join"), "stays", "sh", "-c", "echo ready; sleep 30", mark)
    assert stays.stdout.readline() == "ready\n"
    words = [sys.executable, "-c", BEGINNING + JOIN, os.path.dirname(os.path.dirname(__file__)), box.home]
    command = ["sh", "-c", "grep stays /etc/hosts; ip -o -4 address show eth0"]
    result = subprocess.run(
        box.words([*words, mark, "{}", *command]), capture_output=True, text=True, check=False, timeout=30
    )
    assert "stays" in result.stdout, result.stderr
    assert "10.89." in result.stdout.splitlines()[-1]
