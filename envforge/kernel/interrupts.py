"""SIGINT, SIGTERM and SIGHUP around a fork: deferred while it happens, given their meaning in the child."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Defer these signals while the body forks: until the block is left, in the child until it calls `heed`.

    Python runs signal handlers between any two lines. What one raises in the hooks around a fork, be it
    KeyboardInterrupt, is printed and lost; raised in the child it would unwind the parent's stack.
    """
    starter = os.getpid()
    waiting: list[int] = []
    handlers: dict[int, Any] = {}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _TO_END)
        if threading.current_thread() is threading.main_thread():  # it runs the handlers for all threads
            for number in _TO_END:
                if callable(handler := signal.getsignal(number)):
                    handlers[number] = handler
                    signal.signal(number, lambda number, _frame: waiting.append(number))
        yield
    finally:
        if os.getpid() == starter:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            raised = _set_back(handlers)
            for asked in waiting:
                signal.raise_signal(asked)
            if raised is not None:
                raise raised


def _set_back(handlers: dict[int, Any]) -> BaseException | None:
    """Set all of these handlers; return what one of them raised meanwhile: it runs as soon as it is set."""
    raised = None
    while handlers:
        try:
            while handlers:
                number = next(iter(handlers))
                signal.signal(number, handlers[number])
                del handlers[number]
        except BaseException as error:  # noqa: BLE001 - raised once all is as it was
            raised = error
    return raised


def heed() -> None:
    """In a forked child: let SIGTERM and SIGHUP end it, and ignore SIGINT, as its parent handles Ctrl-C."""
    for number in _TO_END:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TO_END)
