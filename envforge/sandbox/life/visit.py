"""Runs a function of ours where files are seen as a sandbox sees them, and nothing of the host is.

    a sandbox that runs     a child in its user and mount namespaces, and in own ones for the rest:
                            nothing inside can see, signal or trace it, and a frozen cgroup does not stop it
    one that does not       it is mounted as for a start, and the child stands in the payload's place

The child has the rights over files that the sandbox's root has, and the payload's filter of system calls.
It has the descriptors that it is given and no others, and may import nothing: the modules are on the host. In
a running sandbox its /proc knows no `self`.
"""

import json
import os
import select
import signal
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, NoReturn, Self

from envforge.errors import SandboxError
from envforge.kernel import init, processes, syscalls
from envforge.kernel.capabilities import FILES
from envforge.kernel.interrupts import heed, signals_wait
from envforge.kernel.processes import clone
from envforge.sandbox import perform, uppers
from envforge.sandbox.compiled import Cgroup, Plan
from envforge.sandbox.confined.confine import outcome, unwrapped
from envforge.sandbox.life.namespaces import Namespaces, open_namespaces
from envforge.sandbox.life.running import Running
from envforge.whole_file import write_all

_OWN: Final = (
    processes.CLONE_NEWPID | processes.CLONE_NEWNET | processes.CLONE_NEWIPC | processes.CLONE_NEWUTS
)
_JOINING: Final = "joining the sandbox"
_ANSWER_MAX_BYTES: Final = 64 << 20
_PATIENCE_MS: Final = 3000
"""How long a child that has lost its pipe may clean up."""
_NO_LIMITS: Final[Cgroup] = {
    "kind": "",
    "bases": (),
    "others": (),
    "writes": (),
    "disks": (),
    "processes": 0,
    "memory": 0,
    "asked": (),
    "not_enforced": (),
}


class Visit:
    """A child at work. Leaving it without `result` lets it clean up for a moment, then kills it."""

    def __init__(self, pid: int, answer: int, ended: Callable[[], object]) -> None:
        self._pid = pid
        self._answer = answer
        self._ended: Callable[[], object] | None = ended

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def result(self) -> Any:
        """Wait for the function's result, plain JSON values; raise what it raised."""
        with open(self._answer, "rb") as file:
            self._answer = -1
            said = file.read(_ANSWER_MAX_BYTES)
        self.close()
        if not said:
            raise SandboxError(
                "the process inside ended without an answer", hint="out of memory? see `dmesg`"
            )
        return unwrapped(json.loads(said))

    def close(self) -> None:
        """End the child, if it has not ended, and clean up after it."""
        if self._answer >= 0:
            os.close(self._answer)
            self._answer = -1
        if self._ended is None:
            return
        ended, self._ended = self._ended, None
        process = os.pidfd_open(self._pid)
        try:
            waiting = select.poll()
            waiting.register(process, select.POLLIN)
            if not waiting.poll(_PATIENCE_MS):
                os.kill(self._pid, signal.SIGKILL)
        finally:
            os.close(process)
            ended()


def running(one: Running, keep: Sequence[int], function: Callable[..., Any], *arguments: Any) -> Visit:
    """Call a function in a sandbox that runs, or is paused; `keep` are descriptors for it.

    Raises RefusedError if the sandbox has ended, or is not what its record says.
    """
    try:
        namespaces = open_namespaces(one)
    except OSError as error:
        raise perform.RefusedError(_JOINING, error) from None
    with _Job(one.plan, keep, function, arguments) as job:
        try:
            with signals_wait():
                child = clone(_OWN, lambda: _join(namespaces, one.plan))
            if child == 0:
                heed()
                job.do()
        except OSError as error:
            raise perform.RefusedError(_JOINING, error) from None
        finally:
            namespaces.close()
        return Visit(child, job.take_answer(), lambda: init.wait(child))


def mounted(
    plan: Plan, upper: "uppers.Upper", keep: Sequence[int], function: Callable[..., Any], *arguments: Any
) -> Visit:
    """Call a function likewise in a sandbox that is mounted for it over `upper`, which is let go in the end.

    Raises StaleError if a layer is missing, RefusedError.
    """
    quiet: Plan = {
        **plan,
        "flags": plan["flags"] | processes.CLONE_NEWNET,
        "network": "none",
        "published": (),
        "nested": None,
        "limits": _NO_LIMITS,
        "relay": None,
        "warnings": (),
        "notes": (),
    }
    with _Job(plan, keep, function, arguments) as job:
        payload = perform.Payload([], {}, "/", ())
        payload.adopt = job.do
        with signals_wait():
            started = perform.start(quiet, payload, (job.nothing,) * 3, upper)
        return Visit(started.pid, job.take_answer(), lambda: perform.wait(started))


class _Job:
    """What a child is to do, and the descriptors for it; those are closed here once it is under way."""

    def __init__(
        self, plan: Plan, keep: Sequence[int], function: Callable[..., Any], arguments: Sequence[Any]
    ) -> None:
        self._plan = plan
        self._keep = keep
        self._function = function
        self._arguments = arguments
        self._answer, self._theirs = os.pipe()
        self.nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor in (self._answer, self._theirs, self.nothing):
            if descriptor >= 0:
                os.close(descriptor)

    def take_answer(self) -> int:
        """Return the descriptor to read the answer from; it is the caller's now."""
        taken, self._answer = self._answer, -1
        return taken

    def do(self) -> NoReturn:
        """Be the child: give up what the work does not need, do it, answer, end."""
        try:
            for descriptor in range(3):
                os.dup2(self.nothing, descriptor)
            syscalls.close_others([self._theirs, *self._keep])
            write_all(self._theirs, outcome(self._restricted))
        finally:
            os._exit(0)

    def _restricted(self) -> Any:
        os.umask(0o077)
        os.chdir("/")
        processes.drop_bounding(FILES)
        processes.set_no_new_privileges()
        if self._plan["seccomp"]:
            processes.set_seccomp(self._plan["seccomp"])
        processes.set_capabilities(FILES)
        processes.set_parent_death_signal(signal.SIGKILL)
        return self._function(*self._arguments)


def _join(namespaces: Namespaces, plan: Plan) -> None:
    """Move to where the sandbox's files are seen, with the rights of its root."""
    processes.set_dumpable(0)
    namespaces.enter(plan, processes.CLONE_NEWNS)
