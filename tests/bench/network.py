"""Published ports beside the host's own loopback: throughput, latency, 1,000 connections at once.

`python -m tests.bench.network [--seconds N]`. The server runs inside, its client outside; the same pair
without a sandbox is what it is compared with, in turns. Only the ratios mean anything.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "kernel")]

from box import Box  # noqa: E402
from serving import SERVER, exchange, serving  # noqa: E402

PIECE = bytes(1 << 18)
ROUNDS = 5
PROMISED = {"throughput": 0.5, "added latency": 0.3, "connections": 1000}


@contextmanager
def plain() -> Iterator[list[int]]:
    """Run the server without a sandbox: its ports are those that it has inside."""
    words = [sys.executable, "-I", "-c", SERVER, "plain", "echo", "count"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        yield [4001, 4002]
    finally:
        process.communicate("")


def megabytes_per_second(port: int, seconds: float) -> float:
    """Send for so long; return what a reader that counts has got, in MB/s."""
    with socket.create_connection(("127.0.0.1", port)) as one:
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            one.sendall(PIECE)
        one.shutdown(socket.SHUT_WR)
        total = int(one.recv(100))
        return total / (time.monotonic() - start) / 1e6


def milliseconds(port: int, times: int = 2000) -> float:
    """Return the median of a byte's way there and back."""
    found = []
    with socket.create_connection(("127.0.0.1", port)) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(times):
            start = time.perf_counter()
            exchange(one, b"x")
            found.append(time.perf_counter() - start)
    return statistics.median(found) * 1000


def connections(port: int, count: int) -> int:
    """Return how many of so many connections are answered while all are open."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * count), hard))
    opened = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(count)]
    answered = sum(exchange(one, b"x") == b"x" for one in opened)
    for one in opened:
        one.close()
    return answered


def main() -> int:
    """Measure, print, and say whether the promises are kept."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=2.0, help="how long each transfer takes")
    seconds = options.parse_args().seconds
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="envforge-bench-") as home:
        words = ["env", "-i", f"HOME={home}", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8"]
        box = Box(home, os.getuid(), "", lambda command: [*words, *command])
        with serving(box, "echo", "count", check=False) as served, plain() as ports:
            echo, count = served.numbers
            pairs = [
                (megabytes_per_second(count, seconds), megabytes_per_second(ports[1], seconds))
                for _ in range(ROUNDS)
            ]
            ratio = statistics.median(ours / theirs for ours, theirs in pairs)
            added = statistics.median(milliseconds(echo) - milliseconds(ports[0]) for _ in range(ROUNDS))
            answered = connections(echo, PROMISED["connections"])
    print(
        f"throughput  {ratio:.2f} of loopback ({[f'{a:.0f}/{b:.0f} MB/s' for a, b in pairs]}); promised 0.5"
    )
    print(f"latency     {added:.3f} ms added at the median; promised below 0.3")
    print(f"connections {answered} of {PROMISED['connections']} at once")
    kept = ratio >= PROMISED["throughput"] and added < PROMISED["added latency"]
    return 0 if kept and answered == PROMISED["connections"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
