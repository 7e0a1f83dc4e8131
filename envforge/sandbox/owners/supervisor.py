"""The loop: receive a notification, let its handler decide, answer, until the programs have ended.

It waits in the receiving ioctl, not in poll(2): a signal to a program cancels a call that has not been
received yet, and the program sees an EINTR that the call alone never gives. The shorter that window, the
rarer.
"""

import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from types import FrameType

from envforge.errors import CapabilityError
from envforge.sandbox.owners.calls import handlers
from envforge.sandbox.owners.notify import EMPTY, GO_ON, RECEIVE, SEND, pack_answer, unpack_notification
from envforge.sandbox.owners.state.shared import ANSWERED, CONTINUE, SharedState

END = signal.SIGURG
"""Tells the supervisor that no program is left. Ignored unless it serves; repeated until it has stopped."""


class _EndedError(Exception):
    pass


def serve(state: SharedState) -> None:
    """Answer notifications until END comes.

    Raises EnvforgeError if owners cannot be kept truthfully any more: the caller then kills the programs.
    """
    listener, by_architecture = state.listener, handlers(state)
    notification, answer = bytearray(EMPTY), bytearray(24)
    with _until_end():
        while True:
            notification[:] = EMPTY
            try:
                ioctl(listener, RECEIVE, notification)
            except OSError as error:
                if error.errno in {errno.EINTR, errno.ENOENT}:
                    continue  # the program has been killed, or a signal has cancelled its call
                raise
            identifier, pid, _, number, architecture, _, a, b, c, d, e, f = unpack_notification(notification)
            state.identifier = identifier
            handler = by_architecture[architecture][number]
            try:
                if state.names.views_differ and state.names.has_own_view(pid):
                    with state.names.view_of(pid):
                        result = handler(pid, a, b, c, d, e, f)
                else:
                    result = handler(pid, a, b, c, d, e, f)
            except OSError as error:
                result = -_errno(error)
            if result == CONTINUE:
                pack_answer(answer, 0, identifier, 0, 0, GO_ON)
            elif result == ANSWERED:
                continue
            else:
                pack_answer(answer, 0, identifier, max(result, 0), min(result, 0), 0)
            try:
                ioctl(listener, SEND, answer)
            except FileNotFoundError:
                continue  # the program has been killed meanwhile


@contextmanager
def _until_end() -> Iterator[None]:
    """Leave the block when END comes."""
    signal.signal(END, _end)
    try:
        yield
    except _EndedError:
        return


def _end(_number: int, _frame: FrameType | None) -> None:
    signal.signal(END, signal.SIG_IGN)
    raise _EndedError


def _errno(error: OSError) -> int:
    """Return the errno that the program gets. Raises CapabilityError for one that is the supervisor's own."""
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, None):
        raise CapabilityError(
            f"the supervisor of owners has run out of something: {error}", hint="raise `ulimit -Hn`"
        ) from error
    return error.errno
