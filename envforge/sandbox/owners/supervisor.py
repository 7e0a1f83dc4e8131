"""The loop: receive a notification, let its handler decide, answer, until the programs have ended."""

import errno
import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import ioctl

from envforge.errors import CapabilityError
from envforge.sandbox.owners.calls import handlers
from envforge.sandbox.owners.notify import EMPTY, GO_ON, RECEIVE, SEND, pack_answer, unpack_notification
from envforge.sandbox.owners.world import ANSWERED, CONTINUE, World


def serve(world: World, first_process: int) -> None:
    """Answer notifications until `first_process`, the PID 1 of the programs, has ended.

    Raises EnvforgeError where the truth cannot be kept any more: the caller then kills the programs.
    """
    listener, by_architecture = world.listener, handlers(world)
    notification, answer = bytearray(EMPTY), bytearray(24)
    with _poller(listener, first_process) as poll:
        while _is_waited_for(poll(), listener):
            notification[:] = EMPTY
            try:
                ioctl(listener, RECEIVE, notification)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT):
                    continue  # the program has been killed, or a signal took its call back
                raise
            identifier, pid, _, number, architecture, _, a, b, c, d, e, f = unpack_notification(notification)
            world.identifier = identifier
            handler = by_architecture[architecture][number]
            try:
                if world.names.views_differ and world.names.has_own_view(pid):
                    with world.names.view_of(pid):
                        result = handler(pid, a, b, c, d, e, f)
                else:
                    result = handler(pid, a, b, c, d, e, f)
            except OSError as error:
                result = -_errno(error)
            if result == CONTINUE:
                pack_answer(answer, 0, identifier, 0, 0, GO_ON)
            elif result == ANSWERED:
                continue
            elif result < 0:
                pack_answer(answer, 0, identifier, 0, result, 0)
            else:
                pack_answer(answer, 0, identifier, result, 0, 0)
            try:
                ioctl(listener, SEND, answer)
            except FileNotFoundError:
                continue  # the program has been killed meanwhile


@contextmanager
def _poller(listener: int, first_process: int) -> Iterator[Callable[[], list[tuple[int, int]]]]:
    pidfd = os.pidfd_open(first_process)
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    poller.register(pidfd, select.POLLIN)  # 6.1 tells no hang-up while PID 1 is a zombie
    try:
        yield poller.poll
    finally:
        os.close(pidfd)


def _is_waited_for(events: list[tuple[int, int]], listener: int) -> bool:
    """Say if a program waits; else the programs have ended: PID 1 is gone, or nobody is under the filter."""
    return (listener, select.POLLIN) in events


def _errno(error: OSError) -> int:
    """Return the errno that the program gets. Raises CapabilityError for one that is the supervisor's own."""
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, None):
        raise CapabilityError(
            f"the supervisor of owners has run out of something: {error}", hint="raise `ulimit -Hn`"
        ) from error
    return error.errno
