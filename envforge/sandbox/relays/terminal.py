"""A terminal of the sandbox's own, relayed to the caller's: for sandboxes of root in a subordinate range.

The ids of a range may not open the caller's terminal by name (/dev/stdout, /dev/console), and giving it to
them would take it from its owner. So C opens a pseudo-terminal inside, the payload becomes its session's
leader, and a process of P's carries bytes and sizes between the two. A plain user's sandbox shares the
caller's terminal.
"""

import os
import termios
from fcntl import ioctl
from select import POLLIN, poll

from envforge.kernel import processes, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIG_IGN, SIG_UNBLOCK, SIGTERM, SIGTTOU, SIGWINCH, pthread_sigmask, signal
    from typing import Any, NoReturn

    from envforge.sandbox.streams import Streams
else:
    from _signal import SIG_IGN, SIG_UNBLOCK, SIGTERM, SIGTTOU, SIGWINCH, pthread_sigmask, signal

_TIOCGPTN = 0x80045430
_TIOCSPTLCK = 0x40045431
_PIECE = 1 << 16


def callers_terminal() -> int:
    """Return the first standard stream that is a terminal, -1 if none is."""
    for descriptor in (0, 1, 2):
        if os.isatty(descriptor):
            return descriptor
    return -1


def make_inside(owner: "tuple[int, int]") -> "tuple[int, str]":
    """In C, once /dev is mounted: return the master of a new pseudo-terminal and its slave's name.

    A payload that runs already may have replaced /dev/ptmx, but not the mount at /dev/pts.
    """
    flags, resolve = os.O_RDWR | os.O_NOCTTY, syscalls.RESOLVE_NO_SYMLINKS
    master = syscalls.open_resolved("/dev/pts/ptmx", flags, resolve)
    ioctl(master, _TIOCSPTLCK, bytes(4))
    number = int.from_bytes(ioctl(master, _TIOCGPTN, bytes(4)), "little")
    outer = callers_terminal()
    termios.tcsetattr(master, termios.TCSANOW, termios.tcgetattr(outer))
    _copy_size(outer, master)
    name = f"/dev/pts/{number}"
    os.chown(name, owner[0], -1)
    return master, name


def adopt(name: str) -> None:
    """In D: make that terminal the controlling one, and put it on the streams that were terminals."""
    streams = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]
    os.setsid()
    terminal = os.open(name, os.O_RDWR | os.O_CLOEXEC)
    ioctl(terminal, termios.TIOCSCTTY, 0)
    for descriptor in streams:
        os.dup2(terminal, descriptor)


def start(master: int, given: "Streams") -> int:
    """In P: fork the process that carries bytes; returns its pid. It ends with the last process inside."""
    child = os.fork()
    if child == 0:
        try:
            given.take()
            syscalls.close_others({master})
            _carry(master)
        finally:
            os._exit(0)
    return child


def _carry(master: int) -> "NoReturn":
    outer = callers_terminal()
    before = termios.tcgetattr(outer)
    try:
        signal(SIGTERM, _end)
        pthread_sigmask(SIG_UNBLOCK, (SIGTERM,))
        processes.set_parent_death_signal(SIGTERM)
        signal(SIGWINCH, lambda *_: _copy_size(outer, master))
        if os.isatty(0):
            termios.tcsetattr(outer, termios.TCSADRAIN, _raw(before))
        _copy_size(outer, master)
        _exchange(master, outer)
    except (OSError, SystemExit):
        pass  # EIO: the payload and all its children are gone, or the caller's terminal is
    finally:
        signal(
            SIGTTOU, SIG_IGN
        )  # if P was killed, its shell has the foreground, and setting modes from here would stop us
        termios.tcsetattr(outer, termios.TCSADRAIN, before)
        os._exit(0)


def _end(*_: object) -> "NoReturn":
    raise SystemExit


def _exchange(master: int, outer: int) -> None:
    ready = poll()
    ready.register(master, POLLIN)
    if os.isatty(0):
        ready.register(0, POLLIN)
    while True:
        for descriptor, _ in ready.poll():
            if descriptor == master:
                _write_all(outer, os.read(master, _PIECE))
            elif data := os.read(0, _PIECE):
                _write_all(master, data)
            else:
                ready.unregister(0)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _raw(attributes: "list[Any]") -> "list[Any]":
    """Return these modes with all interpretation turned off (cfmakeraw in termios(3))."""
    input_modes, output_modes, control_modes, local_modes, *rest = attributes
    input_modes &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
    )
    output_modes &= ~termios.OPOST
    control_modes = control_modes & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    local_modes &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    return [input_modes, output_modes, control_modes, local_modes, *rest]


def _copy_size(source: int, target: int) -> None:
    ioctl(target, termios.TIOCSWINSZ, ioctl(source, termios.TIOCGWINSZ, bytes(8)))
