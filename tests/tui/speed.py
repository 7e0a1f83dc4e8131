"""`python -m tests.tui.speed DIR`: how quick the TUI is on a store that `python -m tests.bigstore DIR` made.

On a terminal (a pty): the time from the command to the first screen with environments, and from a key to the
first bytes that it draws, for some 200 keys: at the median, the 95th percentile, and at worst.
"""

import argparse
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from contextlib import suppress

KEYS = ["\x1b[B"] * 60 + ["\x1b[6~"] * 20 + ["\x1b[A"] * 40 + ["s", "S"] * 10 + ["g", "G"] * 10 + [" "] * 20
KEYS += ["/", *"p01", "\x1b"] + ["T"] * 6 + ["?", "\x1b"] * 4
QUIET_S = 0.06
"""So long after the last byte a key is taken to be done with."""


class Screen:
    """A program on a terminal of its own."""

    def __init__(self, words: list[str], columns: int, rows: int) -> None:
        self.pid, self.terminal = pty.fork()
        if not self.pid:
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execvp(words[0], words)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, text: bytes, limit_s: float) -> float:
        """Return how long it takes until this text was drawn."""
        start, seen = time.perf_counter(), b""
        while text not in seen:
            if not select.select([self.terminal], [], [], limit_s)[0]:
                raise AssertionError(f"{text!r} was not drawn: {seen[-500:]!r}")
            seen += os.read(self.terminal, 1 << 16)
        return time.perf_counter() - start

    def settle(self) -> None:
        """Read until nothing is drawn any more, or the program has ended."""
        with suppress(OSError):
            while select.select([self.terminal], [], [], 0.5)[0]:
                os.read(self.terminal, 1 << 16)

    def press(self, key: str) -> float | None:
        """Return how long it takes from a key to the first bytes drawn, None where nothing is."""
        start = time.perf_counter()
        os.write(self.terminal, key.encode())
        first = None
        while select.select([self.terminal], [], [], QUIET_S if first else 0.3)[0]:
            os.read(self.terminal, 1 << 16)
            first = first or time.perf_counter() - start
        return first

    def end(self) -> None:
        """End the program."""
        os.kill(self.pid, signal.SIGTERM)
        self.settle()
        os.waitpid(self.pid, 0)


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tui.speed", description=__doc__.splitlines()[0])
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("--size", default="120x40", help="columns x rows")
    options = parser.parse_args()
    columns, rows = map(int, options.size.split("x"))
    command = os.path.join(os.path.dirname(sys.executable), "envforge")
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home
        os.chdir(home)
        first = []
        for _ in range(3):
            screen = Screen([command, "--store", f"{options.directory}/store", "tui"], columns, rows)
            first.append(screen.until(b"p000", 30))
            screen.settle()
            if len(first) < 3:
                screen.end()
        times = sorted(one for one in map(screen.press, KEYS) if one is not None)
        screen.end()
    sys.stdout.write(f"first screen: {min(first):.2f} s (of 3: {', '.join(f'{one:.2f}' for one in first)})\n")
    at = [times[int(len(times) * share)] * 1000 for share in (0.5, 0.95)]
    told = f"median {at[0]:.0f} ms, 95th percentile {at[1]:.0f} ms, worst {times[-1] * 1000:.0f} ms"
    sys.stdout.write(f"{len(times)} keys: {told}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
