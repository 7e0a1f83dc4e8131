"""The foreground of the terminal on stdin (tcsetpgrp(3)): a shell inside gets it, and it is taken back.

A payload shares its caller's process group, so that Ctrl-C and Ctrl-Z reach the caller and whatever it is
piped to as well. That group has no number in the sandbox's pid namespace. A shell with jobs makes a group of
its own anyway, and gives the terminal back to the one that it was started in, in the end: so a group is made
for it before it starts. Loaded on the warm path where stdin is a terminal.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as signals
else:
    import _signal as signals

_SHELLS = ("ash", "bash", "dash", "fish", "ksh", "mksh", "sh", "zsh")


def is_ours() -> bool:
    """Return whether stdin is this process's terminal, and its group the one that may read from it."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def is_wanted_by(command: "list[str]") -> bool:
    """Return whether a command is a shell that will have jobs: stderr a terminal, too, no operand, no `-c`.

    As POSIX has it for sh(1), by the names of usual shells.
    """
    name, words = command[0].rpartition("/")[2], command[1:]
    if name not in _SHELLS or not os.isatty(2):
        return False
    return all(word[:1] == "-" and (word[:2] == "--" or "c" not in word) for word in words)


def lead() -> None:
    """Make a process group of this process, and that the foreground."""
    os.setpgid(0, 0)
    _take()


def take_back() -> None:
    """Make this process's group the foreground again, if the group that is now has ended."""
    try:
        os.killpg(os.tcgetpgrp(0), 0)
    except ProcessLookupError:
        _take()
    except OSError:
        return  # somebody else's group, or no terminal any more


def _take() -> None:
    mask = signals.pthread_sigmask(signals.SIG_BLOCK, (signals.SIGTTOU,))  # else the background is stopped
    try:
        os.tcsetpgrp(0, os.getpgrp())
    except OSError:
        return  # the terminal has hung up
    finally:
        signals.pthread_sigmask(signals.SIG_SETMASK, mask)
