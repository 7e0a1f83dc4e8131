"""A supervisor that is forked before its container is there. Loaded on the warm path.

    command ── forks ── writes the container down ────────── says its id ── reads the answer
    fork                loads what a supervisor needs ── waits for the id ── starts it, answers, goes on

It spares the 20 ms of starting Python, and each works while the other does. Only for a process of a single
thread that has little loaded, and ends soon: nobody waits for a fork that goes on.
"""

import os
import sys
from fcntl import F_DUPFD_CLOEXEC, fcntl

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import NoReturn, Self
else:
    import _signal as signal  # `signal` imports `enum`

ABOVE = 10
"""No descriptor that a supervisor gets has a number from here on; those that it gets them from do."""
_ANSWER, _ASKED = 3, 4
_LONGEST_ID = 64
DEFAULTED = (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


class Ahead:
    """The fork. As a context it has ended on leaving where it was told of no container."""

    __slots__ = ("_answer", "_ask", "_pid")

    def __init__(self, store: str) -> None:
        """Fork it, for a container of that store which has no secrets. Raises OSError."""
        asked, self._ask = os.pipe()
        self._answer, tell = os.pipe()
        try:
            self._pid = os.fork()
            if self._pid == 0:
                _be_ahead(store, asked, tell)
        except OSError:
            os.close(self._ask)
            os.close(self._answer)
            raise
        finally:
            os.close(asked)
            os.close(tell)

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._ask >= 0:
            self._say_no_more()
            os.waitpid(self._pid, 0)

    def start(self, identifier: str) -> bytes:
        """Have it start that container; return its answer (`supervisor/main.py`), b"" if it was killed."""
        try:  # noqa: SIM105  # contextlib costs a millisecond
            os.write(self._ask, identifier.encode())
        except BrokenPipeError:
            pass
        self._say_no_more()
        with open(self._answer, "rb", buffering=0) as file:
            return file.read()

    def _say_no_more(self) -> None:
        os.close(self._ask)
        self._ask = -1


def _be_ahead(store: str, asked: int, tell: int) -> "NoReturn":
    """In the fork: get ready, then be the supervisor of the container whose id is said, if one is."""
    try:
        os.setsid()
        for number in DEFAULTED:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        nothing = os.open(os.devnull, os.O_RDWR)
        held = [fcntl(one, F_DUPFD_CLOEXEC, ABOVE) for one in (nothing, nothing, tell, asked)]
        for descriptor, at in zip(held, (0, 1, _ANSWER, _ASKED), strict=True):
            os.dup2(descriptor, at)
        os.closerange(_ASKED + 1, os.sysconf("SC_OPEN_MAX"))
        from envforge.containers.supervisor import main  # noqa: PLC0415  # that is why it is ahead

        identifier = os.read(_ASKED, _LONGEST_ID).decode()
        os.close(_ASKED)
        if identifier:
            main.supervise(store, identifier)
        os._exit(0)
    except BaseException:  # noqa: BLE001  # nothing of the caller may go on in here
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)
