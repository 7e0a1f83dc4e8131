"""Times a program on a terminal: until its first screen stands, and from a key to what it shows."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

from attrs import frozen

from tests.bench.trial import Command

_ROWS, _COLUMNS = 40, 120
_QUIET_S = 0.3
"""A screen stands when nothing more came for so long."""
_AFTER_A_KEY_S = 0.08
"""A key is done with when nothing came for so long; what is looked up once the cursor rests comes later."""
_PATIENCE_S = 30
_KEYS = 100
_DOWN, _UP = b"\x1b[B", b"\x1b[A"


@frozen
class Seen:
    """What was measured."""

    first_screen_s: float
    key_s: float
    """The 95th percentile."""


def measure(command: Command) -> Seen:
    """Start the program on a terminal, press keys, and end it."""
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(command.directory)
        os.execvpe(command.words[0], list(command.words), {**command.environment, "TERM": "xterm-256color"})
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    try:
        start = time.perf_counter()
        first = _last_output(master) - start
        taken = sorted(_pressed(master, _DOWN if number % 10 < 5 else _UP) for number in range(_KEYS))
        return Seen(first, taken[_KEYS * 95 // 100])
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        os.close(master)


def _pressed(master: int, key: bytes) -> float:
    """Press a key; return the seconds until the screen stands as it is to be."""
    start = time.perf_counter()
    os.write(master, key)
    return _last_output(master, _AFTER_A_KEY_S) - start


def _last_output(master: int, quiet_s: float = _QUIET_S) -> float:
    """Read until nothing comes any more; return when the last of it came."""
    begun = last = time.perf_counter()
    seen = False
    while True:
        patience = quiet_s if seen else _PATIENCE_S
        if not select.select([master], [], [], patience)[0]:
            if not seen:
                raise TimeoutError("the program shows nothing")
            return last
        if not os.read(master, 1 << 16):
            return last
        last, seen = time.perf_counter(), True
        if last - begun > _PATIENCE_S:
            raise TimeoutError("the program never stops drawing")
