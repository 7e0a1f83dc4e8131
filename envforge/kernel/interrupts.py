"""Ctrl-C and other requests to end: held back while a child is made, heeded by a child that works."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Make a child in here: requests to end wait until the block is left, or until the child says `heed`.

    Python runs handlers between any two lines. What one raises in the hooks around a fork is printed and
    forgotten, KeyboardInterrupt too; and in the child it would unwind the stack of its starter.
    """
    starter = os.getpid()
    waiting: list[int] = []
    handlers = {}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _TO_END)
        if threading.current_thread() is threading.main_thread():  # it handles what other threads receive
            for number in _TO_END:
                if callable(signal.getsignal(number)):
                    handlers[number] = signal.signal(number, lambda number, _frame: waiting.append(number))
        yield
    finally:
        if os.getpid() == starter:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for asked in waiting:
                signal.raise_signal(asked)


def heed() -> None:
    """In a child that works for its starter: it ends as it is told to, Ctrl-C is its starter's."""
    for number in _TO_END:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TO_END)
