"""Published ports: what goes through the proxy arrives as it would without one."""

import os
import resource
import select
import signal
import socket
import struct
import time

import pytest
from processes import sandbox_parent, wait_until
from serving import all_of, ask, exchange, name_of, serving

pytestmark = pytest.mark.userns


def test_bytes_and_datagrams_go_both_ways(box):
    data = os.urandom(3 << 20)
    with serving(box, "echo", "datagrams") as served:
        with served.connect() as one:
            assert exchange(one, b"hello") == b"hello"
            for piece in range(0, len(data), 1 << 16):
                assert exchange(one, data[piece : piece + (1 << 16)]) == data[piece : piece + (1 << 16)]
        assert ask(served.numbers[1], b"hello") == b"<hello>"
        largest = os.urandom(65507 - 2)
        assert ask(served.numbers[1], largest) == b"<" + largest + b">"


def test_ipv6_outside_and_inside(box):
    publish = ["[::1]:auto:4001", "[::1]:auto:4002/udp", "auto:4001", "auto:4002/udp"]
    with serving(box, "echo@::1", "datagrams@::1", publish=publish) as served:
        for _ in range(2):
            served.process.stderr.readline()  # the ports of IPv4 are told likewise
        with served.connect(0, "::1") as one:
            assert exchange(one, b"six") == b"six"
        assert ask(served.numbers[1], b"six", "::1") == b"<six>"


def test_only_the_address_that_was_asked_for_is_bound(box):
    with serving(box, "echo") as served:
        with open("/proc/net/tcp", encoding="ascii") as file:
            places = [line.split()[1] for line in file if f":{served.numbers[0]:04X}" in line]
        assert f"0100007F:{served.numbers[0]:04X}" in places
        assert f"00000000:{served.numbers[0]:04X}" not in places


def test_half_closes_and_resets_are_passed_on(box):
    with serving(box, "count", "reset", "was_reset") as served:
        with served.connect(0) as one:
            one.sendall(bytes(5 << 20))
            one.shutdown(socket.SHUT_WR)
            assert all_of(one) == str(5 << 20).encode()
        with served.connect(1) as one:
            one.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                one.recv(1)
        one = served.connect(2)
        one.sendall(b"x")
        time.sleep(0.1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()
        assert served.line() == "reset"
        with served.connect(2) as one:
            one.sendall(b"x")
        assert served.line() == "ended"


@pytest.mark.one_kind  # only root may look at the proxy, which is not dumpable
def test_a_slow_reader_slows_its_writer_and_nobody_else(box):
    with serving(box, "flood", "echo") as served:
        before = private_bytes(served.proxy)
        slow = [served.connect(0) for _ in range(20)]
        with served.connect(1) as other:
            start = time.monotonic()
            assert exchange(other, b"x" * 1000) == b"x" * 1000
            assert time.monotonic() - start < 1
        sent = [int(served.line().split()[1]) for _ in slow]
        assert max(sent) < 64 << 20
        assert private_bytes(served.proxy) - before < 2 << 20
        taken = sum(len(slow[0].recv(1 << 16)) for _ in range(20))
        assert taken > 0
        for one in slow:
            one.close()


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def private_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        lines = [line.split() for line in file]
    return sum(int(words[1]) << 10 for words in lines if words[0].startswith("Private_"))


@pytest.mark.one_kind  # likewise
def test_a_thousand_connections_at_once(box):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        with serving(box, "echo") as served:
            proxy = served.proxy
            before = descriptors(proxy) + 2  # a pipe, once something goes through
            all_at_once = [served.connect() for _ in range(1000)]
            for number, one in enumerate(all_at_once):
                one.sendall(struct.pack("I", number))
            for number, one in enumerate(all_at_once):
                assert one.recv(4) == struct.pack("I", number)
            assert descriptors(proxy) == before + 2000
            for one in all_at_once:
                one.close()
            wait_until(lambda: descriptors(proxy) == before)
            assert private_bytes(proxy) < 12 << 20
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_where_nobody_listens_the_caller_is_told_at_once(box):
    with serving(box, "echo", publish=["auto:4001", "auto:9"]) as served:
        number = int(served.process.stderr.readline().split()[-1])
        for _ in range(3):
            with (
                pytest.raises(ConnectionError),  # it may be told while it connects
                socket.create_connection(("127.0.0.1", number), timeout=30) as one,
            ):
                assert one.recv(1) == b"x"
        with served.connect() as one:
            assert exchange(one, b"still") == b"still"


def test_what_it_sent_last_still_arrives(box):
    with serving(box, "last_words", check=False) as served:
        with served.connect() as one:
            time.sleep(0.5)
            assert len(all_of(one)) == 1 << 20
        served.process.communicate(timeout=20)
        assert served.process.returncode == 7


def test_nothing_is_left_whoever_is_killed(box):
    with serving(box, "echo", check=False) as served, served.connect() as one:
        assert exchange(one, b"x") == b"x"
        proxy = served.proxy
        os.kill(sandbox_parent(served.process), signal.SIGKILL)
        wait_until(lambda: name_of(proxy) != "envforge-proxy")
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", served.numbers[0]), timeout=30)


def test_a_signal_ends_it_in_order(box):
    with serving(box, "echo", check=False) as served:
        proxy = served.proxy
        os.kill(sandbox_parent(served.process), signal.SIGTERM)
        served.process.wait(timeout=20)
        assert served.process.returncode == 128 + signal.SIGTERM
        assert name_of(proxy) != "envforge-proxy"


def test_a_port_that_is_taken_is_told_with_its_holder(box):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        result = box.run("true", network="private", publish=[f"{number}:80"])
        assert result.returncode == 125
        assert f"ConflictError: port {number}/tcp of 127.0.0.1 is taken by" in result.stderr
        known = f"(process {os.getpid()})" if box.kind == "root" else "a process of the user"
        assert known in result.stderr or os.geteuid() != 0
    with serving(box, "datagrams") as served:
        number = served.numbers[0]
        result = box.run("true", network="private", publish=["auto:1", f"0.0.0.0:{number}:80/udp"])
        assert f"port {number}/udp of 0.0.0.0 is taken by box (" in result.stderr
        assert served.mark in result.stderr


def test_ports_that_cannot_be_had_are_told(box):
    result = box.run("true", network="private", publish=["192.0.2.1:5000:80"])
    assert result.stderr == (
        "PortError: this machine has no address 192.0.2.1; `ip address` lists those that it has\n"
    )
    if box.kind != "root":
        result = box.run("true", network="private", publish=["80:80"])
        assert "PortError: port 80/tcp of 127.0.0.1 is for root" in result.stderr


def test_a_terminals_interrupt_is_the_payloads(box):
    with serving(box, "echo") as served:
        proxy = served.proxy
        assert os.getsid(proxy) == proxy


def test_python_is_idle_between(box):
    with serving(box, "echo", "datagrams") as served, served.connect() as one:
        assert exchange(one, b"x") == b"x"
        one.shutdown(socket.SHUT_WR)
        before = ticks(served.proxy)
        select.select([], [], [], 0.5)
        assert ticks(served.proxy) - before < 5


def ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        words = file.read().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])
