"""Enters a sandbox from a compiled plan: plain values in, namespaces out.

The parent P clones C into all new namespaces at once. C stays as PID 1 and clones the payload D, if need be
into a nested user namespace that swaps the user's own uid and 0 (`first_process.py`). `start` returns once D
runs; `attend` waits and forwards signals; `wait` waits in any thread. It is all on the warm path, and changes
nothing that other threads could notice. The sandbox dies with its starter (else: `life/monitor.py`).
"""

import os
from _thread import get_native_id
from fcntl import LOCK_SH, flock

from envforge.kernel import init
from envforge.kernel.processes import CLONE_NEWCGROUP, clone
from envforge.kernel.removal import is_still_at
from envforge.sandbox import first_process, record, uppers
from envforge.sandbox.first_process import FAILED, Channel, be_first, open_network, read_report
from envforge.sandbox.payload import Payload, RefusedError, say
from envforge.sandbox.streams import STANDARD, Child, Streams, attend, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from envforge.sandbox.compiled import Cgroup, Member, Plan

    Meanwhile = Callable[["Started"], None] | None

__all__ = ["FAILED", "Payload", "RefusedError", "StaleError", "Started", "attend", "enter", "start", "wait"]

_SIGKILL, _KILLED = 9, 137


class StaleError(Exception):
    """The plan's environment or a layer of it is gone: the environment must be built again."""


class Started(Child):
    """A running sandbox by its PID 1: a signal to it reaches the payload, SIGKILL ends all of it."""

    __slots__ = ("_cloned", "_held", "_plan", "_record", "cgroup", "member", "network", "oom_kills", "upper")

    def __init__(self, plan: "Plan", upper: "uppers.Upper | None", member: "Member | None" = None) -> None:
        super().__init__()
        self.member = member
        self._cloned = plan if member is None else member.within(plan)
        self.upper = upper
        self.network: tuple[int, int] | None = None  # user and network namespace, if that is private
        self._plan = plan
        self.cgroup: tuple[str, ...] = ()  # its directory in each hierarchy; none where none can be had
        self.oom_kills = 0  # processes that the kernel killed for want of memory; known once it has ended
        self._held = -1
        self._record: record.Record | None = None

    @property
    def id(self) -> str:
        """The name of its record, by which other commands find it; "" if none could be written."""
        return "" if self._record is None else os.path.basename(self._record.path)

    def begin(self, payload: Payload, descriptors: "tuple[int, int, int]", meanwhile: "Meanwhile") -> None:
        """Start it; see `start`."""
        plan, output = self._plan, descriptors[2]
        self._held = hold(plan)
        for note in (*plan["warnings"], *(plan["notes"] if os.isatty(output) else ())):
            say(f"note: {note}", output)
        if self.upper is None:
            self.upper = _make_upper(plan)
        try:
            self.streams = Streams(descriptors)
        except OSError as error:
            raise RefusedError("a standard stream", error) from None
        channel = _channel(plan, self.streams)
        try:
            self._clone(payload, channel, self.upper, meanwhile)
            self.carrier = channel.connect()
        finally:
            channel.close()
            self.streams.close()

    def _clone(self, payload: Payload, channel: Channel, upper: uppers.Upper, meanwhile: "Meanwhile") -> None:
        report_read, report_write = os.pipe()
        try:
            mask = init.block()  # of this thread; C never gets one of these signals unprepared
            try:
                flags = self._plan["flags"] & ~CLONE_NEWCGROUP  # see first_process.mount_all
                self.pid = clone(flags, self.member.move_in if self.member else None)
                if self.pid == 0:
                    payload.mask = mask if payload.mask is None else payload.mask
                    os.close(report_read)
                    be_first(self._cloned, payload, channel, upper, self._held, report_write)
            except OSError as error:
                raise RefusedError("a user namespace", error) from None
            finally:
                init.unblock(mask)
                os.close(report_write)
            self._let_in(channel, upper, report_read, payload.command, meanwhile)
        finally:
            os.close(report_read)

    def _let_in(
        self, channel: Channel, upper: uppers.Upper, report: int, command: "list[str]", meanwhile: "Meanwhile"
    ) -> None:
        try:
            if self._plan["network"] == "private":
                self.network = open_network(self.pid)
            if self.member is not None and self.network is not None:
                self.member.connect(self._cloned, self.pid, self.network[1])
            if self._plan["limits"]["bases"]:
                self.cgroup = _limited(self._plan["limits"], self.pid)
            channel.let_in(self._cloned, upper, self.pid)
            if meanwhile is not None:
                meanwhile(self)
            noted = record.note(self._plan, self.pid, command, upper.name, self.cgroup)  # while C mounts
            self._record = noted
            _sweep_uppers(self._plan)  # likewise
            read_report(report)
        except BaseException:
            os.kill(self.pid, _SIGKILL)
            os.waitpid(self.pid, 0)
            read_report(report)  # C's own reason, if it ended before it was let in
            raise

    def ended(self, code: int) -> int:
        """Note the exit code and whether memory ran out, clean up, and return the code."""
        if self._plan["limits"]["memory"] or code == _KILLED:
            from envforge.sandbox import cgroup  # noqa: PLC0415  # few sandboxes end in this way

            self.oom_kills = cgroup.oom_kills(self._plan["limits"], self.pid)
        return super().ended(code)

    def close(self) -> None:
        """Clean up after it has ended or failed to start: record, cgroup, relay, upper directory and lock."""
        if self._record is not None:
            self._record.remove()
            self._record = None
        for descriptor in self.network or ():
            os.close(descriptor)
        self.network = None
        if self.member is not None:
            self.member.ended()
        if self._plan["relay"] is not None:
            self._plan["relay"].end()
        if self.pid:
            _end_cgroup(self._plan["limits"], self.pid)
        super().close()
        if self.upper is not None:
            if self.upper.kept:
                os.close(self.upper.descriptor)
            else:
                _remove(self._plan, self.upper)
            self.upper = None
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


def enter(plan: "Plan", command: "list[str]", environment: "dict[str, str]", cwd: str) -> int:
    """Run `command` in the sandbox of `plan`; returns its exit code as Docker's `run` does.

    The payload gets the caller's streams and signals, and just the variables of `environment`. Raises
    StaleError if a layer is missing, RefusedError if the kernel refuses a step.
    """
    if get_native_id() != os.getpid():
        return wait(start(plan, Payload(command, environment, cwd)))  # signals are for the main thread
    mask = init.block()
    payload = Payload(command, environment, cwd, mask)
    take_back = first_process.lend_terminal(payload)
    try:
        started = start(plan, payload)
        code = attend(started)
    finally:
        take_back()
        init.unblock(mask)
    if started.oom_kills:
        from envforge.sandbox import cgroup  # noqa: PLC0415  # few sandboxes end in this way

        say(cgroup.out_of_memory(plan["limits"], started.oom_kills))
    return code


def start(
    plan: "Plan",
    payload: Payload,
    streams: "tuple[int, int, int]" = STANDARD,
    upper: "uppers.Upper | None" = None,
    member: "Member | None" = None,
    *,
    meanwhile: "Meanwhile" = None,
) -> Started:
    """Start a sandbox, from any thread; returns once the payload runs.

    `streams` are the payload's stdin, stdout and stderr. Without `upper` it gets a fresh one. `member` is its
    place in a network with others. `meanwhile` is called once its namespaces are there, while it mounts.
    It ends with the calling thread. Raises StaleError and RefusedError.
    """
    if member is None and plan["outbound"] and plan["network"] == "private":
        from envforge.sandbox.outbound import way  # noqa: PLC0415  # few have a private network

        plan, member = way.alone(plan)
    started = Started(plan, upper, member)
    try:
        started.begin(payload, streams, meanwhile)
    except BaseException:
        started.close()
        raise
    return started


def _make_upper(plan: "Plan") -> uppers.Upper:
    try:
        return uppers.make(plan["uppers"], owner=plan["owner"])
    except OSError as error:
        raise RefusedError(f"an upper directory in {plan['uppers']}", error) from None


def hold(plan: "Plan") -> int:
    """Lock the plan's environment (shared), check that its layers exist; return the lock's descriptor."""
    try:
        held = os.open(plan["lock"], os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise StaleError(str(error)) from None
    flock(held, LOCK_SH)
    try:  # noqa: SIM105  # contextlib costs a millisecond
        os.utime(held)  # when the environment was last entered
    except OSError:
        pass  # the store is read-only, and entered all the same
    try:
        if not is_still_at(held, plan["lock"]):
            raise StaleError(plan["lock"])
        for name in plan["layers"]:
            os.stat(f"{plan['layers_directory']}/{name}")
    except (FileNotFoundError, StaleError) as error:
        os.close(held)
        raise StaleError(str(error)) from None
    return held


def _limited(limits: "Cgroup", pid: int) -> "tuple[str, ...]":
    """Put a sandbox into a cgroup of its own; return its directories."""
    from envforge.sandbox import cgroup  # noqa: PLC0415  # only for sandboxes with limits

    try:
        return cgroup.start(limits, pid, _prepare)
    except OSError as error:
        raise RefusedError(cgroup.STEP, error) from None


def _end_cgroup(limits: "Cgroup", pid: int) -> None:
    """Remove its cgroup, which another command may have given it, and those that crashed sandboxes left."""
    name = record.cgroup_name(os.getpid(), pid)
    if limits["bases"] or record.cgroup_remains((*limits["others"], "")[0], name):
        from envforge.sandbox import cgroup  # noqa: PLC0415  # likewise

        cgroup.end(limits, pid, _sweep)


def _prepare(bases: "Iterable[str]", pids: "Iterable[int]") -> None:
    from envforge.sandbox.limits.bases import prepare  # noqa: PLC0415  # once after each boot, or by systemd

    prepare(bases, pids)


def _sweep() -> None:
    from envforge.sandbox.limits.bases import sweep  # noqa: PLC0415  # only after a crash

    sweep()


def _remove(plan: "Plan", upper: uppers.Upper) -> None:
    try:
        uppers.remove(upper, plan["uppers"], plan["trash"], _delete)
    except OSError as error:
        say(f"left for a later run to clean: {plan['uppers']}/{upper.name} ({error})")


def _sweep_uppers(plan: "Plan") -> None:
    """Remove the upper directories that dead owners left behind, if that can be."""
    try:  # noqa: SIM105  # contextlib costs a millisecond
        uppers.sweep(plan["uppers"], plan["trash"], _delete)
    except OSError:
        pass  # this sandbox has its own


def _delete(path: str) -> None:
    from envforge.sandbox.confined.deleting import delete  # noqa: PLC0415  # only for files of other ids

    delete(path)


def _channel(plan: "Plan", given: Streams) -> Channel:
    if plan["idmapped"]:
        from envforge.sandbox.idmapped import MappedChannel  # noqa: PLC0415  # only when run by root

        return MappedChannel(given)
    return Channel(given)
