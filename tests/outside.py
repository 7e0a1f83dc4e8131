"""Another machine, for tests of the way out: a network namespace with a server, which the host reaches."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from envforge.kernel import processes
from envforge.sandbox.outbound import rtnetlink

PORT = 7000
_SERVE = """
import socket, sys
print("apart", flush=True)
listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
while True:
    one, (address, _) = listener.accept()
    one.sendall(f"{address} asked".encode())
    one.close()
"""


@contextmanager
def machine() -> Iterator[str]:
    """Make it; yields its address, one of those for documentation (RFC 5737). Needs root."""
    number = os.getpid() % 64 * 4
    name, host, address = f"test{os.getpid()}", f"198.51.100.{number + 1}", f"198.51.100.{number + 2}"
    server = _in_own_network([sys.executable, "-I", "-c", _SERVE, str(PORT)])
    assert server.stdout is not None
    assert server.stdout.readline() == "apart\n"
    network = os.open(f"/proc/{server.pid}/ns/net", os.O_RDONLY)
    links = rtnetlink.Links()
    try:
        links.add_veth(name, "", "eth0", network)
        links.add_address(name, host, 30)
        links.bring_up(name)
        set_up(network, address)
        assert server.stdout.readline() == "ready\n"
        yield address
    finally:
        server.kill()
        server.communicate()
        os.close(network)
        links.remove_if_there(name)
        links.close()


def _in_own_network(words: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(["unshare", "--net", *words], stdout=subprocess.PIPE, text=True)


def set_up(network: int, address: str) -> None:
    """Give the other end its address, in a thread that moves there."""

    def run() -> None:
        processes.setns(network, processes.CLONE_NEWNET)
        links = rtnetlink.Links()
        links.add_address("eth0", address, 30)
        links.bring_up("eth0")
        links.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
