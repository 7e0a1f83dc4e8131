"""A terminal that somebody else works on for a while, and is taken back from."""

import os
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lent(descriptor: int) -> Iterator[None]:
    """Restore the modes and the foreground group of a terminal afterwards: a shell on it changes both.

    A shell whose own group has a name in its namespace only cannot give the foreground back, and whoever
    goes on in the background is stopped at the next change of modes. Raises OSError if it is no terminal.
    """
    attributes, group = termios.tcgetattr(descriptor), os.tcgetpgrp(descriptor)
    try:
        yield
    finally:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})  # would stop us in the background
        try:
            os.tcsetpgrp(descriptor, group)
            termios.tcsetattr(descriptor, termios.TCSADRAIN, attributes)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
