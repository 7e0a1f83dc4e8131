"""What a payload, and whoever calls its ports, cannot do to the host through the proxy."""

import os
import socket
import subprocess
import sys

import pytest
from attrs import evolve
from processes import wait_until
from serving import ask, exchange, name_of, serving

pytestmark = pytest.mark.userns

ROOT = ["root", 0, 0, []]
LOOK = r"""
import os, socket, sys
found = []
for name in os.listdir("/proc"):
    if name.isdigit():
        try:
            if "proxy" in open(f"/proc/{name}/comm").read():
                found.append(name)
        except OSError:
            pass
def reaches(family, place):
    with socket.socket(family) as one:
        one.settimeout(1)
        try:
            one.connect(place)
        except OSError:
            return False
    return True
port, name = sys.argv[1:]
print(found, reaches(socket.AF_INET, ("127.0.0.1", int(port))), reaches(socket.AF_UNIX, "\0" + name))
"""


def test_the_host_is_not_reached(box):
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        name = f"envforge-test-{os.getpid()}"
        abstract.bind("\0" + name)
        abstract.listen()
        words = (sys.executable, "-I", "-c", LOOK, str(listener.getsockname()[1]), name)
        result = box.run(*words, python=True, network="private", publish=["auto:80"])
    assert result.stdout == "[] False False\n", result.stderr


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {name: value.split() for name, value in (line.split(":", 1) for line in file)}


@pytest.mark.one_kind  # only root may look at the proxy, which is not dumpable
def test_the_proxy_holds_nothing_of_the_host(box):
    with serving(box, "echo", "datagrams", account=ROOT) as served, served.connect() as one:
        assert exchange(one, b"x") == b"x"
        proxy = served.proxy
        links = {os.readlink(f"/proc/{proxy}/fd/{name}") for name in os.listdir(f"/proc/{proxy}/fd")}
        kinds = {link.partition(":[")[0] for link in links}
        assert kinds <= {"/dev/null", "socket", "pipe", "anon_inode"} | {"anon_inode:[eventpoll]"}, links
        status = status_of(proxy)
        assert {status[name][0] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == ["1"]
        if box.kind == "root":
            assert "0" not in status["Uid"]
        assert os.stat(f"/proc/{proxy}/root").st_ino == os.stat("/").st_ino


def test_root_inside_cannot_end_it(box):
    script = "import os, signal, time, sys\nsignal.signal(15, signal.SIG_IGN)\n"
    with serving(box, "echo", account=ROOT) as served, served.connect() as one:
        proxy = served.proxy
        assert exchange(one, b"x") == b"x"
        code = f"{script}\ntry:\n    os.kill({proxy}, 9)\nexcept OSError as error:\n    print(error.errno)"
        result = box.run(sys.executable, "-I", "-c", code, python=True, account=ROOT, network="private")
        assert result.stdout == "3\n", result
        assert exchange(one, b"y") == b"y"
        assert name_of(proxy) == "envforge-proxy"


def test_a_flood_of_connections_waits(box):
    def few(command):
        return box.words(["prlimit", "--nofile=200:200", *command])

    with serving(evolve(box, words=few), "echo") as served:
        flood = [served.connect() for _ in range(150)]
        answered = 0
        for one in flood:
            one.sendall(b"x")
        for one in flood:
            one.settimeout(0.2 if answered else 5)
            try:
                answered += one.recv(1) == b"x"
            except TimeoutError:
                break
        assert 10 < answered < 100
        for one in flood[:answered]:
            one.close()
        later = flood[answered]
        later.settimeout(20)
        assert later.recv(1) == b"x"
        for one in flood[answered:]:
            one.close()
        with served.connect() as one:
            assert exchange(one, b"again") == b"again"


@pytest.mark.one_kind  # likewise
def test_forged_clients_push_out_the_oldest_only(box):
    with serving(box, "datagrams") as served:
        proxy = served.proxy
        ours = []
        for _ in range(1100):
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            one.sendto(b"x", ("127.0.0.1", served.numbers[0]))
            ours.append(one)
            if len(ours) > 200:
                ours.pop(0).close()
        wait_until(lambda: len(os.listdir(f"/proc/{proxy}/fd")) < 1100)
        assert ask(served.numbers[0], b"last") == b"<last>"
        for one in ours:
            one.close()


def test_nothing_of_ours_is_readable_by_another_user(box, request):
    if os.geteuid() != 0 or box.kind == "single":
        pytest.skip("takes root and another user")
    other = request.getfixturevalue("plain_user")
    with serving(box, "echo") as served:
        words = other.command(["ls", f"/proc/{served.proxy}/fd"])
        assert subprocess.run(words, capture_output=True, check=False).returncode != 0
