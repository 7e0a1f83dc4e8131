"""The way out of private networks: other machines are reached, this one is not, and nothing of it is left."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from box import BEGINNING
from outside import PORT, machine
from processes import naming, own_mark, sandbox_parent, wait_until
from test_network_project import START, end, holders, python

from envforge.sandbox.outbound import addresses, firewall, pasta

pytestmark = [pytest.mark.userns, pytest.mark.outbound]

ASK = """
import socket, sys
for place in sys.argv[1:]:
    address, _, port = place.rpartition(" ")
    try:
        with socket.create_connection((address, int(port)), timeout=3) as one:
            print(address, one.recv(100).decode())
    except OSError:
        pass
print("asked", flush=True)
"""


@pytest.fixture(scope="module")
def outside():
    with machine() as address:
        yield address


def traces(box):
    """Return what a way out makes on the host: processes that have the box's home, and root's cables."""
    found = set()
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
            if os.fsencode(box.home) in file.read():
                found.add(name)
    if box.kind == "root":
        found |= {name for name in os.listdir("/sys/class/net") if name.startswith("ef-")}
    return found


def test_other_machines_are_reached_and_this_one_is_not(box, outside):
    before = traces(box)
    with socket.create_server(("", 0)) as every, socket.create_server(("127.0.0.1", 0)) as own:
        here = [*addresses.own(), "127.0.0.1", socket.gethostbyname(socket.gethostname())]
        places = [f"{one} {port}" for one in here for port in (every.getsockname()[1], own.getsockname()[1])]
        said = box.python(ASK, *places, f"{outside} {PORT}", network="private", outbound=True)
    reached, seen, *rest = said.split()
    assert reached == outside
    assert seen.startswith("198.51.100.")  # the host's own address there
    assert rest == ["asked", "asked"], said
    wait_until(lambda: not traces(box) - before)


def test_its_gateway_is_not_this_machine(box):
    code = """
import socket, sys
with open("/proc/net/route") as file:
    words = next(line.split() for line in file if line.split()[1] == "0" * 8)
gateway = socket.inet_ntoa(int(words[2], 16).to_bytes(4, sys.byteorder))
for port in map(int, sys.argv[1:]):
    try:
        socket.create_connection((gateway, port), timeout=2)
        print("reached")
    except OSError:
        pass
"""
    with socket.create_server(("", 0)) as every, socket.create_server(("127.0.0.1", 0)) as own:
        ports = [str(one.getsockname()[1]) for one in (every, own)]
        assert box.python(code, *ports, network="private", outbound=True) == ""


def test_abstract_sockets_of_this_machine_are_out_of_reach(box):
    name = own_mark("abstract")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        code = "import socket, sys; print(socket.socket(socket.AF_UNIX).connect_ex('\\0' + sys.argv[1]))"
        assert box.python(code, name, network="private", outbound=True) == "111\n"


def test_it_can_be_forbidden(box, outside):
    said = box.python(ASK, f"{outside} {PORT}", network="private", outbound=False)
    assert said == "asked\n"


@pytest.mark.parametrize("killed", ["starter", "everything"])
def test_nothing_is_left_after_a_kill(box, outside, killed):
    before = traces(box)
    mark = own_mark("killed")
    words = box.command(
        *python(f"import time\n{ASK}\ntime.sleep(60)  # {mark}", f"{outside} {PORT}"),
        network="private",
        outbound=True,
        python=True,
    )
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith(outside)
    for pid in [sandbox_parent(process)] if killed == "starter" else naming(mark):
        end(pid)
    process.wait()
    box.shell("true", network="private", outbound=True)  # the next one sweeps
    wait_until(lambda: not traces(box) - before, timeout_s=20)
    process.stdout.close()


@pytest.fixture
def members(box):
    """Start members of a network that may get out."""
    box.shell("true")
    started = []

    def begin(identity, names, *command, **options):
        tests = os.path.dirname(os.path.dirname(__file__))
        words = [sys.executable, "-c", BEGINNING + START, tests, box.home, identity, names]
        options = {"outbound": True, **options}
        process = subprocess.Popen(
            box.words([*words, json.dumps(options), *command]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.stdin.close()  # what waits for a line ends
        process.wait(timeout=30)
        process.stdout.close()


WAIT = f"{ASK}\nsys.stdin.readline()"


def test_the_services_of_a_project_get_out_each_as_its_spec_says(box, members, outside):
    before = traces(box)
    identity, place = own_mark("services"), f"{outside} {PORT}"
    cut_off = members(identity, "cut", *python(WAIT, place), outbound=False)
    assert cut_off.stdout.readline() == "asked\n"
    stays = members(identity, "stays", *python(WAIT, place))
    assert stays.stdout.readline().startswith(outside)
    cut_off.communicate("go\n")
    with socket.create_server(("", 0)) as every, socket.create_server(("127.0.0.1", 0)) as own:
        ports = [one.getsockname()[1] for one in (every, own)]
        here = [*addresses.own(), "10.89.0.1", "127.0.0.1"]
        second = members(identity, "web", *python(ASK, *(f"{one} {port}" for one in here for port in ports)))
        assert second.communicate()[0] == "asked\n"
    stays.communicate("go\n")
    wait_until(lambda: not traces(box) - before)


def test_a_network_outlives_its_holder(box, members, outside):
    before = traces(box)
    identity, place = own_mark("holder"), f"{outside} {PORT}"
    code = f"""
import socket, sys
{ASK}
listener = socket.create_server(("", 5432))
while sys.stdin.readline():
    listener.accept()[0].sendall(b"here")
"""
    serves = members(identity, "db", *python(code, place))
    assert serves.stdout.readline().startswith(outside)
    assert serves.stdout.readline() == "asked\n"
    [(holder, directory)] = wait_until(lambda: holders(identity)).items()
    os.kill(holder, signal.SIGKILL)
    wait_until(lambda: holder not in holders(identity))
    serves.stdin.write("one\n")
    serves.stdin.flush()
    joins = members(identity, "web", *python(ASK, "db 5432", place))
    said = joins.communicate()[0]
    assert "db here\n" in said
    assert outside in said
    assert len(holders(identity)) == 1
    serves.communicate()
    wait_until(lambda: not traces(box) - before)
    assert not os.path.exists(directory)


def made(name):
    """Make a table with a chain."""
    table = firewall.Table(name)
    table.add_chain(firewall.POSTROUTING)
    table.make()
    return table


@pytest.mark.root
def test_the_rules_are_the_ones_that_end_with_their_process():
    code = """
import sys
from envforge.sandbox.outbound import firewall
table = firewall.Table(sys.argv[1])
table.add_chain(firewall.FORWARD)
table.make()
print("made", flush=True)
sys.stdin.read()
"""
    name = own_mark("envforge-test-")
    process = subprocess.Popen(
        [sys.executable, "-c", code, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "made\n"
    with pytest.raises(PermissionError):
        made(name)
    process.kill()
    process.communicate()
    made(name).close()
    assert firewall.drops_forwarded() != name


def test_where_its_way_cannot_be_made_a_sandbox_starts_and_is_cut_off(plain_box, outside):
    broken = Path(plain_box.home, "broken", "pasta")  # where its user can reach it
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'it is out of order' >&2\nexit 1\n")
    for path in (broken, broken.parent):
        path.chmod(0o755)
    place, first = f"{outside} {PORT}", f"{broken.parent}:/usr/bin:/bin"
    result = plain_box.run(
        *python(ASK, place), host={"PATH": first}, network="private", outbound=True, python=True
    )
    assert (result.returncode, result.stdout) == (0, "asked\n"), result.stderr
    assert plain_box.program(
        f"""
os.environ["PATH"] = {first!r}
from envforge.containers.network import member as members
plan = compiled_plan(home, dict(network="private", outbound=True))
member, plan = members.join(plan, {own_mark("broken")!r}, ["a"])
started = start(plan, Payload(["true"], dict(PATH="/bin"), "/"), member=member)
print(wait(started), *member.way)
member.close()
"""
    ).startswith("0  there is no way out of a private network here: ")


def test_a_plain_user_without_pasta_is_told(plain_box):
    said = plain_box.program(
        """
os.environ["PATH"] = "/nowhere"
from envforge.sandbox.outbound import way
print(way.find().kind, way.find().why)
"""
    )
    assert "pasta is not installed: sudo apt-get install passt" in said
    assert pasta.program()


RAW = """
import socket, struct, sys
def total(data):
    words = sum(struct.unpack(f">{len(data) // 2}H", data))
    words = (words >> 16) + (words & 0xFFFF)
    return ~(words + (words >> 16)) & 0xFFFF
try:
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
except PermissionError:
    print("refused")
    raise SystemExit
one.bind(("eth0", 0x0800))
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.connect(("198.18.0.1", 9))
source = socket.inet_aton(own.getsockname()[0])
own.send(b"")  # looks for the gateway
import time
time.sleep(0.3)
with open("/proc/net/arp") as file:
    gateway = bytes.fromhex(file.read().splitlines()[1].split()[3].replace(":", ""))
for place in sys.argv[1:]:
    address, port = place.split()
    target = socket.inet_aton(address)
    tcp = struct.pack(">HHIIBBHHH", 40000, int(port), 1, 0, 5 << 4, 2, 65000, 0, 0)
    tcp = tcp[:16] + struct.pack(">H", total(source + target + struct.pack(">HH", 6, 20) + tcp)) + tcp[18:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + source + target
    ip = ip[:10] + struct.pack(">H", total(ip)) + ip[12:]
    one.send(gateway + one.getsockname()[4] + b"\\x08\\x00" + ip + tcp)
time.sleep(1)
print("sent")
"""


def test_frames_of_roots_own_making_do_not_reach_this_machine(box):
    with socket.create_server(("", 0)) as every, socket.create_server(("127.0.0.1", 0)) as own:
        places = [f"{one} {every.getsockname()[1]}" for one in addresses.own() if ":" not in one]
        places.append(f"127.0.0.1 {own.getsockname()[1]}")
        said = box.python(
            RAW, *places, network="private", outbound=True, account=["root", 0, 0, []], idmapped=True
        )
        for listener in (every, own):
            listener.settimeout(0.5)
            with pytest.raises(TimeoutError):
                listener.accept()
    assert said == ("sent\n" if box.kind == "root" else "refused\n")
