"""A small process that starts a sandbox, waits for it, and outlives whoever asked for it.

    asker ── posix_spawn ── monitor, a session of its own ── PID 1 of the sandbox ── payload
             plan, command ─>  <─ its ID, or why not          dies with the monitor

A terminal interface or a server asks from any thread, and may end: the sandbox goes on, can be joined by its
record (`running.py`), and the monitor leaves the exit code where any command finds it (`ended.py`). A signal
to the monitor is passed on to the payload. It is a fresh process, so nothing of the asker's threads, memory
or descriptors is in it.
"""

import marshal
import os
import signal
import sys
from collections.abc import Iterable
from errno import ECHILD
from fcntl import F_DUPFD_CLOEXEC, fcntl
from typing import Any, Final

import envforge
from envforge import errors
from envforge.kernel import init
from envforge.sandbox import inherited, perform
from envforge.sandbox.compiled import Plan
from envforge.sandbox.life import ended, kept

_REQUEST: Final = 3
_ANSWER: Final = 4
_ABOVE: Final = 10
_CODE: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from envforge.sandbox.life import monitor; monitor.main()"
)


class Monitored:
    """A sandbox that runs under a monitor."""

    __slots__ = ("id", "monitor", "pid")

    def __init__(self, identifier: str, pid: int, monitor: int) -> None:
        self.id = identifier
        self.pid = pid
        """The pid of the sandbox's PID 1."""
        self.monitor = monitor
        """The pid of the monitor, a child of the process that asked: a signal to it reaches the payload."""

    def wait(self) -> int:
        """Wait until it has ended; returns the payload's exit code. For the process that asked, once."""
        _, status = os.waitpid(self.monitor, 0)
        return init.exit_code(status)


def start(
    plan: Plan,
    command: list[str],
    environment: dict[str, str],
    cwd: str,
    streams: tuple[int, int, int],
    *,
    name: str = "",
) -> Monitored:
    """Start a sandbox that outlives this process, from any thread; returns once its payload runs.

    `name` keeps its upper directory (`kept.py`). Raises StaleError and RefusedError as `perform.start`.
    """
    request = marshal.dumps(({**plan, "relay": None}, command, environment, cwd, name))
    theirs_read, ours_write = os.pipe()
    ours_read, theirs_write = os.pipe()
    try:
        monitor = _spawn((*streams, theirs_read, theirs_write))
    except OSError:
        os.close(ours_write)
        os.close(ours_read)
        raise
    finally:
        os.close(theirs_read)
        os.close(theirs_write)
    with open(ours_write, "wb") as file:
        file.write(request)
    with open(ours_read, "rb") as file:
        answer = file.read()
    return _understood(answer, monitor)


def _spawn(descriptors: Iterable[int]) -> int:
    """Start the monitor with these descriptors as 0, 1, 2, … and no others."""
    held = [fcntl(descriptor, F_DUPFD_CLOEXEC, _ABOVE) for descriptor in descriptors]
    above = os.path.dirname(os.path.dirname(os.path.abspath(envforge.__file__)))
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-c", _CODE, above],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, one, number) for number, one in enumerate(held)],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP),
        )
    finally:
        for descriptor in held:
            os.close(descriptor)


def _understood(answer: bytes, monitor: int) -> Monitored:
    values = marshal.loads(answer) if answer else ("refused", "the monitor", ECHILD, None)  # noqa: S302  # our own child's
    if values[0] == "started":
        return Monitored(values[1], values[2], monitor)
    os.waitpid(monitor, 0)
    if values[0] == "stale":
        raise perform.StaleError(values[1])
    if values[0] == "refused":
        _, step, number, path = values
        raise perform.RefusedError(step, OSError(number, os.strerror(number), path))
    raise errors.from_plain(values[0], values[1:]) or RuntimeError(values)


def main() -> None:
    """Be the monitor; ends the process with the payload's exit code."""
    init.block()
    with open(_REQUEST, "rb") as file:
        plan, command, environment, cwd, name = marshal.loads(file.read())  # noqa: S302  # our own parent's
    with open(_ANSWER, "wb") as answer:
        os.set_inheritable(answer.fileno(), False)
        started, said = _started(plan, perform.Payload(command, environment, cwd, ()), name)
        answer.write(marshal.dumps(said))
    if started is None:
        sys.exit(perform.FAILED)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)  # the payload's readers get EOF when it ends, not when we do
    os.chdir("/")
    code = init.attend(started.pid, shares_terminal=False)
    ended.note(started.id, code)
    started.ended(code)
    sys.exit(code)


def _started(plan: Plan, payload: perform.Payload, name: str) -> tuple[perform.Started | None, Any]:
    """Return the started sandbox, if any, and the answer to the asker."""
    try:
        plan = inherited.with_sockets(plan, os.environ)
        started = perform.start(plan, payload, upper=kept.keep(plan, name) if name else None)
    except perform.StaleError as error:
        return None, ("stale", str(error))
    except perform.RefusedError as error:
        return None, ("refused", error.step, error.error.errno, error.error.filename)
    except errors.EnvforgeError as error:
        return None, (type(error).__name__, error.message, error.hint)
    return started, ("started", started.id, started.pid)
