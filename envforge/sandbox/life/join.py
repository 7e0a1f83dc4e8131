"""Starts a further process in a running sandbox, confined exactly as the payload is.

    P   the caller; opens the sandbox's namespaces (`namespaces.py`)
    J   a child of P that joins them: the user namespace first, which gives it the right to join the others
    D   a child made by J, in the PID namespace, in P's name: becomes a payload as any other (`payload.py`)

J and D run the host's Python within reach of the sandbox's processes, so they are not dumpable from before
they join until D's exec: nobody may trace them or open their files.
"""

import os
from _socket import AF_UNIX, SOCK_STREAM, socketpair
from errno import ESRCH

from envforge.kernel import init, processes, syscalls
from envforge.kernel.processes import clone
from envforge.sandbox import cgroup
from envforge.sandbox.life.namespaces import EVERY_KIND, open_namespaces
from envforge.sandbox.payload import CANNOT_EXECUTE, Payload, RefusedError, become, show_bug
from envforge.sandbox.streams import STANDARD, Child, Streams, attend, give_pipes, receive, send, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import NoReturn

    from envforge.sandbox.compiled import Plan
    from envforge.sandbox.life.namespaces import Namespaces
    from envforge.sandbox.life.running import Running

__all__ = ["Payload", "RefusedError", "attend", "enter", "join", "wait"]

_SIGKILL = 9
_BY_SYSTEMD = "manager"
"""The kind of limits whose cgroups only systemd can bring a process to."""
_JOINING = "joining the sandbox"
_NUMBER = "P"
_PROBLEM = "E"


def enter(one: "Running", plan: "Plan", payload: Payload) -> int:
    """Run a further command in the foreground; returns its exit code as Docker's `exec` does."""
    mask = init.block()
    payload.mask = mask
    try:
        return attend(join(one, plan, payload))
    finally:
        init.unblock(mask)


def join(one: "Running", plan: "Plan", payload: Payload, streams: "tuple[int, int, int]" = STANDARD) -> Child:
    """Start a process in a running sandbox, from any thread; it ends with that thread, and with the sandbox.

    `plan` says as whom and with what rights: the sandbox's own, or one for another user of the same
    environment. Raises RefusedError if the sandbox has ended, or is not what its record says.
    """
    joined = _Joined()
    try:
        namespaces = open_namespaces(one)
    except OSError as error:
        raise RefusedError(_JOINING, error) from None
    try:
        own = _its_cgroup(one)
        joined.begin(namespaces, plan, payload, streams, own)
    except BaseException:
        joined.close()
        raise
    finally:
        namespaces.close()
    return joined


def _its_cgroup(one: "Running") -> "tuple[str, ...]":
    """Return the directories of a sandbox's cgroup; this process's children can move there."""
    own = cgroup.existing(one.plan["limits"], one.pid)
    if own and one.plan["limits"]["kind"] == _BY_SYSTEMD:
        from envforge.sandbox.limits.bases import prepare  # noqa: PLC0415  # few have one of systemd's

        try:
            prepare([os.path.dirname(own[0])], (os.getpid(),))
        except OSError as error:
            raise RefusedError(cgroup.STEP, error) from None
    return own


class _Joined(Child):
    __slots__ = ()

    def begin(
        self,
        namespaces: "Namespaces",
        plan: "Plan",
        payload: Payload,
        descriptors: "tuple[int, int, int]",
        joined_cgroup: "tuple[str, ...]",
    ) -> None:
        try:
            self.streams = Streams(descriptors, for_first=False)
        except OSError as error:
            raise RefusedError("a standard stream", error) from None
        if plan["idmapped"]:
            give_pipes(self.streams, plan["payload_owner"])
        terminal = _terminal_if_needed(plan, self.streams)
        report_read, report_write = os.pipe()
        mask = init.block()
        try:
            if payload.mask is None:
                payload.mask = mask
            between = _clone()
            if between == 0:
                _be_between(namespaces, plan, payload, self.streams, terminal, report_write, joined_cgroup)
        finally:
            init.unblock(mask)
            os.close(report_write)
            self.streams.close()
        with open(report_read, "rb") as report:
            said = report.read()
        init.wait(between)
        self._understand(said)
        if terminal is not None:
            self.carrier = terminal.connect(self.streams)

    def _understand(self, said: bytes) -> None:
        """Take the report of J and D: D's pid, and what went wrong, if anything did."""
        lines = said.decode(errors="surrogateescape").splitlines()
        self.pid = next((int(line[1:]) for line in lines if line[0] == _NUMBER), 0)
        problem = next((line[1:] for line in lines if line[0] == _PROBLEM), "")
        if self.pid and not problem:
            return
        if self.pid:
            init.wait(self.pid)
        number, _, step = problem.partition(" ")
        error = int(number or ESRCH)
        raise RefusedError(step or _JOINING, OSError(error, os.strerror(error)))


def _clone() -> int:
    try:
        return clone(0)
    except OSError as error:
        raise RefusedError(_JOINING, error) from None


class _Terminal:
    """A terminal inside, for a caller whose own cannot be opened there: J makes it, P relays it."""

    def __init__(self, relay: "ModuleType") -> None:
        self.relay = relay
        self.ours, self.theirs = socketpair(AF_UNIX, SOCK_STREAM)

    def make(self, plan: "Plan", payload: Payload) -> None:
        """In J: make it, and have D adopt it."""
        uid, gid, _ = plan["credentials"] or (0, 0, ())
        master, name = self.relay.make_inside((uid, gid))
        send(self.theirs, b"", [master])
        os.close(master)
        payload.adopt = lambda: self.relay.adopt(name)

    def connect(self, given: Streams) -> int:
        """In P: start what carries its bytes; return the pid."""
        self.theirs.close()
        received = receive(self.ours, 0)
        self.ours.close()
        if received is None:
            return 0
        master = received[1][0]
        carrier: int = self.relay.start(master, given)
        os.close(master)
        return carrier


def _terminal_if_needed(plan: "Plan", given: Streams) -> _Terminal | None:
    """Import the terminal's relay, if it is needed: once the root has changed it is too late."""
    if not plan["idmapped"] or not given.terminal():
        return None
    from envforge.sandbox.relays import terminal as relay  # noqa: PLC0415  # only with a terminal of root's

    return _Terminal(relay)


def _be_between(  # noqa: PLR0917  # what a fork inherits
    namespaces: "Namespaces",
    plan: "Plan",
    payload: Payload,
    given: Streams,
    terminal: "_Terminal | None",
    report: int,
    joined_cgroup: "tuple[str, ...]",
) -> "NoReturn":
    """Be J: join, clone D, end."""
    step = ["standard streams"]
    try:
        processes.set_parent_death_signal(_SIGKILL)
        processes.set_dumpable(0)
        payload.umask = os.umask(0o022)
        given.take()
        kept = [*namespaces.descriptors(), report, *([] if terminal is None else [terminal.theirs.fileno()])]
        syscalls.close_others(kept)
        step[0] = cgroup.STEP
        cgroup.move(joined_cgroup, 0)
        step[0] = _JOINING
        namespaces.enter(plan, EVERY_KIND)
        if terminal is not None:
            step[0] = "a terminal inside"
            terminal.make(plan, payload)
        step[0] = "a process inside"
        child = processes.clone_alone(processes.CLONE_PARENT)
        if child == 0:
            _be_payload(namespaces, plan, payload, report)
        os.write(report, f"{_NUMBER}{child}\n".encode())
    except OSError as error:
        os.write(report, f"{_PROBLEM}{error.errno} {step[0]}\n".encode(errors="surrogateescape"))
    except BaseException:  # noqa: BLE001  # a bug: it may not unwind into P's frames, but it is shown
        show_bug()
    finally:
        os._exit(0)


def _be_payload(namespaces: "Namespaces", plan: "Plan", payload: Payload, report: int) -> "NoReturn":
    """Be D, in the sandbox's PID namespace already."""
    try:
        if plan["nested"] is not None:
            processes.setns(namespaces.inner, processes.CLONE_NEWUSER)
        if plan["limits"]["processes"]:
            processes.limit_processes(plan["limits"]["processes"])
        payload.ends_with_parent = True
        become(plan, payload)
    except OSError as error:
        os.write(report, f"{_PROBLEM}{error.errno} {_JOINING}\n".encode())
    finally:
        os._exit(CANNOT_EXECUTE)
