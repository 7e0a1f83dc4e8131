"""Relays a socket inside to one of the host's, through a process with the uid of envforge's caller.

An ssh-agent answers its own user only. Run by root, or as a user of the environment, the payload has another
uid outside, so a small process outside connects in its place. Loaded only then.
"""

import os
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET, socket, socketpair
from select import POLLIN, poll

from envforge.kernel import processes, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIG_IGN, SIG_SETMASK, SIGCHLD, SIGKILL, pthread_sigmask, signal
    from typing import NoReturn
else:
    from _signal import SIG_IGN, SIG_SETMASK, SIGCHLD, SIGKILL, pthread_sigmask, signal

_CHUNK = 1 << 16
_CALLERS = 16


class SocketRelay:
    """The relay's process, started by P before it clones C; C makes the socket and hands it over."""

    __slots__ = ("inside", "process", "target")

    def __init__(self, source: str, target: str) -> None:
        self.target = target
        outside, self.inside = socketpair(AF_UNIX, SOCK_STREAM)
        self.process = os.fork()
        if self.process == 0:
            _be_relay(outside, source)
        outside.close()

    def end(self) -> None:
        """In P: end the process."""
        self.inside.close()
        os.kill(self.process, SIGKILL)
        try:
            os.waitpid(self.process, 0)
        except ChildProcessError:
            return  # it had ended, and was reaped with the others

    def open_inside(self, owner: "tuple[int, int] | None") -> None:
        """In C, once the root has changed: make the socket and hand it to the relay."""
        listener = socket(AF_UNIX, SOCK_STREAM)
        listener.bind(self.target)
        listener.listen(_CALLERS)
        os.chmod(self.target, 0o600)
        if owner is not None:
            os.chown(self.target, *owner)
        packed = listener.fileno().to_bytes(4, "little")
        self.inside.sendmsg([b"."], [(SOL_SOCKET, SCM_RIGHTS, packed)])
        listener.close()
        self.inside.close()


def _be_relay(channel: socket, source: str) -> "NoReturn":
    """Take the socket that C made, and serve its callers until P is gone."""
    try:
        processes.set_parent_death_signal(SIGKILL)
        os.setsid()  # the terminal's signals are for the payload
        pthread_sigmask(SIG_SETMASK, ())
        signal(SIGCHLD, SIG_IGN)  # nobody waits for the carriers
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        received = socket(fileno=os.dup2(channel.fileno(), 3))
        syscalls.close_range(4)
        _, messages, _, _ = received.recvmsg(1, 64, 0)
        listener = socket(fileno=int.from_bytes(messages[0][2][:4], "little"))
        while True:
            descriptor, _ = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001
            if os.fork() == 0:
                processes.set_parent_death_signal(SIGKILL)
                _carry(descriptor, source)
            os.close(descriptor)
    finally:
        os._exit(0)


def _carry(caller: int, source: str) -> "NoReturn":
    """Carry bytes between a caller and the host's socket until one of them is done."""
    try:
        server = socket(AF_UNIX, SOCK_STREAM)
        server.connect(source)
        other = {caller: server.fileno(), server.fileno(): caller}
        waiting = poll()
        for descriptor in other:
            waiting.register(descriptor, POLLIN)
        data = b"."
        while data:
            for descriptor, _ in waiting.poll():
                data = os.read(descriptor, _CHUNK)
                left = data
                while left:
                    left = left[os.write(other[descriptor], left) :]
    finally:
        os._exit(0)
