"""A program inside that listens, for tests of the network, and what asks it from outside."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from box import Box
from processes import command_of, naming, own_mark, sandbox_parent

SERVER = r"""
import os, socket, struct, sys, threading

def echo(one):
    try:
        while data := one.recv(1 << 16):
            one.sendall(data)
    except ConnectionError:
        pass
    one.close()

def count(one):  # answers once its caller has said all
    total = 0
    while data := one.recv(1 << 16):
        total += len(data)
    one.sendall(str(total).encode())
    one.close()

def flood(one):  # sends until nobody takes it, says how much went
    one.settimeout(1.5)
    sent = 0
    try:
        while sent < 1 << 30:
            sent += one.send(bytes(1 << 16))
    except TimeoutError:
        print("sent", sent, flush=True)
    try:
        one.settimeout(None)
        one.recv(1)
    except ConnectionResetError:
        pass

def reset(one):
    one.recv(1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()

def was_reset(one):
    try:
        while one.recv(1 << 16):
            pass
        print("ended", flush=True)
    except ConnectionResetError:
        print("reset", flush=True)

def last_words(one):
    one.sendall(b"x" * (1 << 20))
    os._exit(7)

def serve(family, address, port, action):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(2000)
    def accept():
        while True:
            threading.Thread(target=action, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()

def serve_datagrams(family, address, port):
    one = socket.socket(family, socket.SOCK_DGRAM)
    one.bind((address, port))
    def answer():
        while True:
            data, caller = one.recvfrom(1 << 16)
            one.sendto(b"<" + data + b">", caller)
    threading.Thread(target=answer, daemon=True).start()

threading.stack_size(1 << 17)
ACTIONS = dict(echo=echo, count=count, flood=flood, reset=reset, was_reset=was_reset, last_words=last_words)
for number, word in enumerate(sys.argv[2:], start=4001):
    name, _, address = word.partition("@")
    address = address or "127.0.0.1"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if name == "datagrams":
        serve_datagrams(family, address, number)
    else:
        serve(family, address, number, ACTIONS[name])
print("ready", flush=True)
sys.stdin.read()
os._exit(0)
"""


class Served:
    """What runs inside, and where its ports are outside."""

    def __init__(self, process: subprocess.Popen, mark: str, protocols: list[str]) -> None:
        self.process = process
        self.mark = mark
        self.numbers = []
        for _ in protocols:
            line = process.stderr.readline()
            found = re.search(r"port (\d+)/(\w+) is published as (\S+) port (\d+)", line)
            assert found, line
            self.numbers.append(int(found[4]))
        assert process.stdout.readline() == "ready\n"

    def connect(self, index: int = 0, address: str = "127.0.0.1") -> socket.socket:
        """Connect to one of the published ports."""
        one = socket.create_connection((address, self.numbers[index]), timeout=30)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return one

    @property
    def proxy(self) -> int:
        """The proxy's pid."""
        parent = sandbox_parent(self.process)
        with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
            return next(pid for pid in map(int, file.read().split()) if name_of(pid) == "envforge-proxy")

    def line(self) -> str:
        """Return the next line that it prints."""
        return self.process.stdout.readline().strip()


def name_of(pid: int) -> str:
    """Return a process's name, "" if it has ended."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def exchange(one: socket.socket, data: bytes) -> bytes:
    """Send bytes and return as many."""
    one.sendall(data)
    found = b""
    while len(found) < len(data):
        found += one.recv(1 << 16)
    return found


def all_of(one: socket.socket) -> bytes:
    """Return what comes until the other side has ended."""
    found = b""
    while data := one.recv(1 << 16):
        found += data
    return found


def ask(number: int, data: bytes, address: str = "127.0.0.1") -> bytes:
    """Send datagrams until one is answered: those before the first answer may get lost."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.settimeout(0.2)
        for _ in range(300):
            one.sendto(data, (address, number))
            try:
                return one.recv(1 << 16)
            except TimeoutError:
                continue
    raise AssertionError("no answer")


@contextmanager
def serving(
    box: Box, *actions: str, publish: list[str] | None = None, check: bool = True, **options: object
) -> Iterator[Served]:
    """Run a server inside: its actions listen on the ports 4001, 4002, …, each published as a free one."""
    protocols = ["udp" if action.startswith("datagrams") else "tcp" for action in actions]
    auto = [f"auto:{4001 + number}/{one}" for number, one in enumerate(protocols)]
    mark = own_mark("served")
    words = box.command(
        *(sys.executable, "-I", "-c", SERVER, mark, *actions),
        python=True,
        network="private",
        publish=publish or auto,
        **options,
    )
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        yield Served(process, mark, protocols)
        _, errors = process.communicate(timeout=30)
        if check:
            assert (process.returncode, errors) == (0, ""), f"{process.returncode} {errors}"
            assert not naming(mark)
            assert not box.leftovers()
    finally:
        if process.poll() is None:
            for pid in [*naming(mark), process.pid]:
                if "python" in " ".join(command_of(pid)):
                    os.kill(pid, signal.SIGKILL)
            process.communicate()
