"""A container's supervisor: starts it, writes down how it is, answers questions, ends or restarts it.

    asker ── spawn or fork ── supervisor, a session of its own ── PID 1 of the sandbox ── payload
             descriptor 3  <─  "started", or why not              dies with the supervisor

It is started for a container whose records are there (`lifecycle.py`) and ends with it: an idle machine runs
nothing of ours. Killed in any way it leaves a state that the next reader puts right (`truth.py`).
It imports next to nothing: it is there as long as the container.
"""

import gc
import marshal
import os
from time import monotonic, time_ns

from envforge.containers import making, plans, records, removing, truth
from envforge.containers.supervisor.loop import Loop, Timer
from envforge.containers.supervisor.payload import Life, NoCommandError, given_secrets
from envforge.containers.supervisor.policy import Restarts
from envforge.errors import ConflictError, EnvforgeError
from envforge.kernel import processes
from envforge.sandbox import perform, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from signal import SIG_DFL, SIGCHLD, SIGINT, SIGTERM, signal
    from typing import Any

    from envforge.containers.supervisor.checks import Checks
    from envforge.containers.supervisor.log_file import LogFile
    from envforge.containers.supervisor.questions import Questions
    from envforge.containers.supervisor.server import Client
else:
    from _signal import SIG_DFL, SIGCHLD, SIGINT, SIGTERM, signal

_ANSWER = 3
_SIGKILL = 9
_NOT_STARTED = (ValueError, NoCommandError, EnvforgeError, perform.StaleError, perform.RefusedError, OSError)
_GOODBYE_S = 10.0
"""How long it waits for clients that have not yet read all, once the container has ended."""


class Supervisor:
    """Everything of one container that runs."""

    def __init__(self, store: str, identifier: str, secrets: "dict[str, bytes]") -> None:
        self.lock = truth.lock_to_run(store, identifier)
        self.container = records.read(store, identifier)
        self.state = self.container.state
        self.plan = plans.read(self.container)
        self._secrets = secrets
        self.loop = Loop()
        self.log: LogFile
        self.questions: Questions
        """Both are there once it has begun."""
        self.life: Life | None = None
        self.checks: Checks | None = None
        self.is_asked_to_stop = False
        self._is_leaving = False
        """Its proxy passes on the last of what it has sent."""
        self._restarts = Restarts(self.container.config["restart"])
        self._timer: Timer | None = None
        """The kill after a stop's grace, or the next start."""

    def begin(self) -> None:
        """Start the container for the first time. Raises what `Life.begin` does; the state says so then."""
        self.state.update(restarts=0, exit_code=None, error="", oom_killed=False, finished=0)
        try:
            self._start(self._open)
        except NoCommandError as error:
            self._write("exited", exit_code=error.code, error=error.said, finished=time_ns())
            raise
        except BaseException as error:
            self._write("created" if not self.state["started"] else "exited", error=str(error))
            raise

    def _open(self) -> None:
        """Open what it writes to, and where it is asked."""
        from envforge.containers.supervisor.log_file import LogFile  # noqa: PLC0415  # another process mounts
        from envforge.containers.supervisor.questions import Questions  # noqa: PLC0415  # likewise

        self.log = LogFile(self.container.directory)
        self.questions = Questions(self.loop, self.container, self.stop, self.kill)
        self.questions.server.on("paused", self._paused)

    def _start(self, meanwhile: "Callable[[], None] | None" = None) -> None:
        """Start its payload; `meanwhile` is called while the sandbox is mounted."""
        life = Life(self.container, self.plan, self._secrets)
        life.begin(meanwhile)
        assert life.started is not None
        self.life = life
        self.state.update(
            pid=life.started.pid,
            pid_started=record.started_of(life.started.pid),
            sandbox=life.started.id,
            supervisor=os.getpid(),
            supervisor_started=record.started_of(os.getpid()),
            boot=records.boot_id(),
            started=time_ns(),
            cgroup=list(life.started.cgroup),
            not_enforced=[list(one) for one in self.plan["limits"]["not_enforced"]],
            ports=[making.port_values(one) for one in life.ports],
            addresses=life.addresses,
            way=life.way,
            around=list(life.plan["around"] or ()),
        )
        self._write("running", health=self._begin_checks(life))
        life.watch(self.loop, self._took, self._ended)
        self.questions.attached.begin(life)

    def _begin_checks(self, life: Life) -> "dict[str, Any] | None":
        """Begin to check its health, if it says how; return the health as it is now."""
        if not self.container.config["health"]:
            return None
        from envforge.containers.supervisor.checks import Checks  # noqa: PLC0415  # few have a check

        self.checks = Checks(self.loop, self.container, life.plan, self._took_health)
        return self.checks.document()

    def _took_health(self, health: "dict[str, Any]") -> None:
        self.state["health"] = health
        self.write()

    def _took(self, stream: str, data: bytes) -> None:
        self.log.write(stream, data)
        self.questions.attached.show(stream, data)

    def write(self) -> None:
        """Write the state as it is now."""
        records.write_state(self.container.directory, self.state)

    def _write(self, status: str, **values: "Any") -> None:
        self.state.update(status=status, **values)
        self.write()

    def _ended(self, _events: int) -> None:
        """PID 1 has ended."""
        assert self.life is not None
        life, self.life = self.life, None
        if self.checks is not None:
            self.checks.end()
            self.checks = None
        self.loop.cancel(self._timer)
        if not life.end(self.loop, self._took, lambda code: self._gone(life, code)):
            self._is_leaving = True
            self.questions.attached.leave()
            self._write("stopping", pid=0, pid_started=0)

    def _gone(self, life: Life, code: int) -> None:
        """Start again, or say goodbye: nothing is left of the container."""
        self._is_leaving = False
        self.log.finish()
        values = {**records.GONE, "exit_code": code, "finished": time_ns(), "oom_killed": life.oom_kills > 0}
        if life.oom_kills:
            from envforge.sandbox import cgroup  # noqa: PLC0415  # few containers end in this way

            self.log.say(cgroup.out_of_memory(plans.read(self.container)["limits"], life.oom_kills))
        delay = None if self.is_asked_to_stop else self._restarts.delay_s(code, monotonic() - life.began)
        if delay is None:
            self._finish(values)
            return
        self._write("restarting", **values, restarts=self.state["restarts"] + 1)
        self.questions.ended(code)
        self._timer = self.loop.later(delay, self._start_again)

    def _start_again(self) -> None:
        try:
            self.plan = plans.read(self.container)  # `update` may have changed it
            self._start()
        except _NOT_STARTED as error:
            self.log.say(f"it could not be started again: {error}")
            code = error.code if isinstance(error, NoCommandError) else perform.FAILED
            self._finish({"exit_code": code, "finished": time_ns(), "error": str(error)})

    def _finish(self, values: "dict[str, Any]") -> None:
        """Write down how it ended, tell everybody, and end once they have read it."""
        self._write("exited", **values)
        if self.container.config["remove"]:
            removing.remove_locked(self.container)
        self.questions.ended(values["exit_code"])
        self.questions.goodbye(self.loop.stop)
        self.loop.later(_GOODBYE_S, self.loop.stop)

    def _paused(self, client: "Client", asked: "dict[str, Any]") -> None:
        """Write down that a command has paused it, or has let it go on."""
        if self.state["status"] in {"running", "paused"}:
            self._write("paused" if asked["paused"] else "running")
        client.answer()

    def _let_end(self) -> None:
        self.is_asked_to_stop = True
        if self.state["status"] == "paused":
            from envforge.sandbox import cgroup  # noqa: PLC0415  # few are stopped so

            cgroup.thaw(self.plan["limits"], self.state["pid"])

    def stop(self, number: int, grace_s: float) -> None:
        """Send the stop signal; after that time kill it. A negative one is for ever."""
        self._let_end()
        if self._is_leaving:
            return
        if self.life is None:  # it waits to be started again
            self.loop.cancel(self._timer)
            self._finish({"exit_code": self.state["exit_code"]})
            return
        self._write("stopping")
        self.life.signal(number if grace_s else _SIGKILL)
        self.loop.cancel(self._timer)
        if grace_s > 0:
            self._timer = self.loop.later(grace_s, self._kill)

    def _kill(self) -> None:
        if self.life is not None:
            self.life.signal(_SIGKILL)

    def kill(self, number: int) -> None:
        """Send a signal. As with Docker, the stop signal and SIGKILL keep it from being started again."""
        if self.life is None:
            raise ConflictError(
                f"the container {self.container.name} is not running", hint="`envforge ps -a` says how it is"
            )
        if number in (_SIGKILL, self.container.config["stop"]["signal"]):
            self._let_end()
        self.life.signal(number)


def supervise_apart(store: str, identifier: str) -> None:
    """Have a child be the supervisor, and end: who asked waits for this one, and never has a zombie."""
    if os.fork():
        os._exit(0)
    supervise(store, identifier)


def supervise(store: str, identifier: str) -> None:
    """Be the supervisor of a container, in a process of its own."""
    os.set_inheritable(_ANSWER, False)  # who asked waits until nobody has it any more
    gc.freeze()  # to look for circles in all that is loaded would copy every page of it: 2 ms
    gc.enable()
    os.chdir("/")
    signal(SIGCHLD, SIG_DFL)
    try:
        supervisor = Supervisor(store, identifier, given_secrets())
        supervisor.begin()
    except NoCommandError as error:
        _answer("command", error.code, error.said)
    except perform.StaleError as error:
        _answer("stale", str(error))
    except perform.RefusedError as error:
        _answer("refused", error.step, error.error.errno, error.error.filename)
    except EnvforgeError as error:
        _answer("failed", type(error).__name__, error.message, error.hint)
    except OSError as error:
        if published := getattr(error, "published", None):
            _answer("port", published, error.errno or 0)
            return
        _answer("refused", "the container", error.errno or 0, error.filename)
    except ValueError:
        _answer("stale", "its plan was not written by you")
    else:
        _answer("started", supervisor.state["pid"])
        _run(supervisor)


def _answer(*values: "Any") -> None:
    try:  # noqa: SIM105  # contextlib costs a millisecond
        os.write(_ANSWER, marshal.dumps(values))
    except BrokenPipeError:
        pass  # who asked is gone; the container runs
    os.close(_ANSWER)


def _run(supervisor: Supervisor) -> None:
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(nothing, 2)
    os.close(nothing)
    processes.set_name("envforge-box")
    _stop_on_signals(supervisor)
    try:
        supervisor.loop.run()
    except BaseException:
        import traceback  # noqa: PLC0415  # a bug: it is told where somebody may look

        supervisor.log.say(f"the supervisor has failed: {traceback.format_exc()}")
        raise


def _stop_on_signals(supervisor: Supervisor) -> None:
    """Stop the container in order when the machine or the user's session ends."""
    read, write = os.pipe()
    asked = supervisor.container.config["stop"]

    def stop(_events: int) -> None:
        os.read(read, 1)
        supervisor.stop(asked["signal"], asked["seconds"])

    supervisor.loop.watch(read, stop)
    for number in (SIGTERM, SIGINT):
        signal(number, lambda *_: os.write(write, b"."))
