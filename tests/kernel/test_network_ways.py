"""Which way out there is on hosts of other kinds: each is a network namespace that a test sets up."""

import subprocess
import sys

import pytest
from processes import own_mark

pytestmark = [pytest.mark.userns, pytest.mark.outbound]

SET_UP = """
import os, sys, threading
from envforge.kernel import processes, syscalls
from envforge.sandbox.outbound import firewall, rtnetlink
processes.unshare(processes.CLONE_NEWNET | processes.CLONE_NEWNS)
syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
syscalls.bring_up_loopback()
links = rtnetlink.Links()
links.add_bridge("uplink")
links.add_address("uplink", "198.51.100.1", 24)
links.add_default_route("198.51.100.2")
def set_to(path, text):
    with open(path, "w") as file:
        file.write(text)
def resolve_by(address):
    text = "/tmp/" + sys.argv[1]
    set_to(text, "search example\\nnameserver " + address + "\\n")
    os.chmod(text, 0o644)
    syscalls.mount(text, "/etc/resolv.conf", flags=4096)  # MS_BIND
    os.unlink(text)
"""
FIND = f"""{SET_UP}
from envforge.sandbox.outbound import way
set_to("/proc/sys/net/ipv4/ip_forward", "1")
"""


def found(script):
    words = [sys.executable, "-c", script, own_mark("ways")]
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.one_kind
@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ("pass", "nat", ""),
        ('set_to("/proc/sys/net/ipv4/ip_forward", "0")', "", "sysctl -w net.ipv4.ip_forward=1"),
        (
            'set_to("/proc/sys/net/ipv4/conf/uplink/forwarding", "0")',
            "",
            "net.ipv4.conf.uplink.forwarding is off",
        ),
        ('resolve_by("198.51.100.1")', "nat", "names cannot be resolved"),
        ('resolve_by("127.0.0.53")', "nat", "names cannot be resolved"),
    ],
)
def test_root_is_told_what_its_way_lacks(change, kind, said):
    here, why = found(f"{FIND}\n{change}\none = way.find()\nprint(one.kind)\nprint(one.why)").splitlines()
    assert here == kind
    assert said in why
    assert said or not why


@pytest.mark.one_kind
def test_a_firewall_that_drops_what_is_forwarded_is_told():
    script = f"""{FIND}
table = firewall.Table("strict")
table.add_chain(firewall.FORWARD, drops=True)
table.make()
print(way.find().why)
"""
    assert "the firewall drops what is forwarded (table strict)" in found(script)


@pytest.mark.one_kind
def test_nothing_of_the_host_is_switched_on():
    script = f"""{FIND}
set_to("/proc/sys/net/ipv4/ip_forward", "0")
from envforge.sandbox.outbound import nat
print(way.find().kind, open("/proc/sys/net/ipv4/ip_forward").read(), end="")
"""
    assert found(script) == " 0\n"


ANSWER = f"""{SET_UP}
import socket
resolve_by("127.0.0.53")
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.53", 53))
if os.fork() == 0:
    processes.set_parent_death_signal(9)
    while True:
        data, caller = server.recvfrom(1000)
        server.sendto(data + b" answered", caller)
os.execvp(sys.argv[2], sys.argv[2:])
"""
ASK = """
import socket
with open("/etc/resolv.conf") as file:
    text = file.read()
print(text, end="")
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.settimeout(1)
for _ in range(5):
    one.sendto(b"name", (text.split()[-1], 53))
    try:
        print(one.recv(100).decode())
        break
    except OSError:
        pass
"""


def test_a_resolver_on_the_loopback_of_the_host_is_asked_through_pasta(plain_box):
    plain_box.shell("true")
    options = {
        "network": "private",
        "outbound": True,
        "mounts": [["/etc/resolv.conf", "/etc/resolv.conf", True, False, True]],
    }
    inside = plain_box.command(sys.executable, "-I", "-c", ASK, python=True, **options)
    result = subprocess.run(
        [sys.executable, "-c", ANSWER, own_mark("ways"), *inside],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.stdout == "search example\nnameserver 169.254.1.1\nname answered\n", result.stderr
