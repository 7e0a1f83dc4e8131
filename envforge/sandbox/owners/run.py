"""Runs a command over layers under the supervisor: who is forked, who waits for whom, who dies with whom.

    caller, uid 0 in namespace A
    |- PID 1 of the tree        dies with the caller
    |  `- the command           installs the filter on itself, hands over its listener, waits, executes
    `- the supervisor           enters the tree's mount namespace, answers, reports the owners at the end

If the supervisor ends before it has reported the owners, the caller kills PID 1 and with it everything: the
build fails, an owner is never guessed.
"""

import os
import pickle
import select
import signal
import socket
import traceback
from collections.abc import Mapping, Sequence
from typing import NoReturn

from attrs import define, field

from envforge.errors import EnvforgeError, SandboxError
from envforge.kernel import init, processes
from envforge.sandbox.confined import in_tree
from envforge.sandbox.confined.console import Console
from envforge.sandbox.owners import filter as seccomp_filter
from envforge.sandbox.owners import kernel
from envforge.sandbox.owners.model import Owner
from envforge.sandbox.owners.session import Session, no_listener
from envforge.sandbox.owners.supervisor import END

_RING_MS = 10
"""The supervisor may be about to enter the call that the signal interrupts, so the signal is repeated."""


def run_supervised(
    *,
    lowers: Sequence[str],
    upper: str,
    work: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    cwd: str = "/",
    stdin: int | None = None,
    output: int | None = None,
    owners: Mapping[bytes, Owner],
    binds: Sequence[in_tree.Bind] = (),
    hostname: str = "localhost",
    volatile: bool = True,
    console: Console | None = None,
) -> tuple[int, dict[bytes, Owner]]:
    """Run `command` as `in_tree.run_in_tree` does; return its exit code and the owners of the upper layer.

    `owners` maps absolute paths of the lower layers to their true attributes; the result does so for every
    path of the upper directory of which lstat(2) in namespace A says something else. Call it in namespace A
    of a user with a single id. Raises CapabilityError if the system has no such listener, SandboxError if the
    supervisor has been killed.
    """
    supervision = _Supervision(upper, owners, console)
    try:
        code = in_tree.run_in_tree(
            lowers=lowers,
            upper=upper,
            work=work,
            command=command,
            environment=environment,
            cwd=cwd,
            stdin=stdin,
            output=output,
            binds=binds,
            volatile=volatile,
            hostname=hostname,
            confine=supervision.confine,
            supervise=supervision.watch,
            console=console,
        )
    finally:
        supervision.close()
    return code, supervision.found


@define
class _Supervision:
    """The channel between the three processes, and the result."""

    upper: str
    owners: Mapping[bytes, Owner]
    console: Console | None
    found: dict[bytes, Owner] = field(factory=dict, init=False)
    _ours: socket.socket = field(init=False)
    _theirs: socket.socket = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()

    def confine(self) -> None:
        """In the command's process, before exec: install the filter, hand its listener over, wait."""
        # The supervisor may read the memory of a process whose program comes from another user namespace, as
        # this one's still does, only while it is dumpable.
        processes.set_dumpable(1)
        self._ours.close()
        try:
            listener = kernel.install_filter(seccomp_filter.assemble())
        except OSError as error:
            self._theirs.sendall(b"%d" % (error.errno or 0))
            raise
        mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY)
        socket.send_fds(self._theirs, [b"ready"], [listener, mounts])
        processor = self._theirs.recv(16)
        if not processor:
            raise OSError("the supervisor of owners is gone")
        os.sched_setaffinity(0, {int(processor)})

    def watch(self, first_process: int) -> int:
        """In the caller: start the supervisor, take its report; return the exit code of PID 1."""
        told_read, told_write = os.pipe()
        supervisor = os.fork()
        if supervisor == 0:
            os.close(told_read)
            self._supervise(told_write)
        os.close(told_write)
        self._theirs.close()
        if self.console is None or not self.console.attend(first_process, until=told_read):
            _end_with(first_process, supervisor, told_read)
        with open(told_read, "rb") as file:
            told = file.read()
        os.waitpid(supervisor, 0)
        if not told:
            raise SandboxError(
                "the supervisor of owners has been killed, so the owners of files are lost",
                hint="out of memory? see `dmesg`",
            )
        outcome = pickle.loads(told)  # noqa: S301  # written by our own child
        if isinstance(outcome, BaseException):
            raise outcome
        self.found = outcome
        if self.console is not None:
            self.console.attend(first_process)
        _, status = os.waitpid(first_process, 0)
        return init.exit_code(status)

    def _supervise(self, told: int) -> NoReturn:
        """Be the supervisor. Never returns into the caller's frames."""
        try:
            processes.set_parent_death_signal(signal.SIGKILL)
            self._theirs.close()
            outcome: object
            try:
                session = Session.enter(self.upper, *self._receive())
                outcome = session.run(self.owners, self._ours)
            except EnvforgeError as error:
                outcome = error
            except Exception:  # noqa: BLE001  # a bug: the caller raises it with where it happened
                outcome = RuntimeError(traceback.format_exc())
            with open(told, "wb") as file:
                file.write(pickle.dumps(outcome, protocol=pickle.HIGHEST_PROTOCOL))
            os._exit(0)
        finally:
            os._exit(1)

    def _receive(self) -> tuple[int, int]:
        """Return the listener, and the tree's mount namespace."""
        data, descriptors, _, _ = socket.recv_fds(self._ours, 16, 2)
        if len(descriptors) == 2:
            return descriptors[0], descriptors[1]
        raise no_listener(int(data) if data.isdigit() else 0)


def _end_with(first_process: int, supervisor: int, told: int) -> None:
    """Wait for the supervisor's report or end; once PID 1, and so everything, has ended, tell it to stop."""
    pidfd = os.pidfd_open(first_process)
    poller = select.poll()
    poller.register(told, select.POLLIN)
    poller.register(pidfd, select.POLLIN)
    timeout_ms = None
    while all(descriptor != told for descriptor, _ in poller.poll(timeout_ms)):
        if timeout_ms is None:
            poller.unregister(pidfd)
            timeout_ms = _RING_MS
        os.kill(supervisor, END)
    os.close(pidfd)
