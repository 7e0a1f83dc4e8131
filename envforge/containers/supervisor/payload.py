"""Starts a container's payload, and holds what belongs to one life of it: pid, streams, upper directory."""

import marshal
import os
from fcntl import ioctl
from time import monotonic

from envforge.containers.supervisor.inputs import Input
from envforge.containers.supervisor.loop import Loop
from envforge.containers.supervisor.networks import Held, join
from envforge.containers.supervisor.outputs import Output
from envforge.kernel import init
from envforge.sandbox import inherited, perform, uppers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from signal import SIGWINCH
    from typing import Any

    from envforge.containers.network.listening import Listening
    from envforge.containers.network.member import Member
    from envforge.containers.network.proxy import Attached
    from envforge.containers.network.published import Published
    from envforge.containers.records import Container
    from envforge.sandbox.compiled import Plan
else:
    from _signal import SIGWINCH

_SIGKILL = 9
_SECRETS = "/run/secrets"
_PATIENCE_S = 1.0
_TIOCSCTTY = 0x540E
_TIOCSWINSZ = 0x5414
_PAYLOAD = "2"
"""The payload's pid inside."""


class NoCommandError(Exception):
    """The command is not there (127), or cannot be executed (126). Nothing of the environment ran."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.code = code
        self.said = said


class Life:
    """A container's payload from its start to its end."""

    def __init__(self, container: "Container", plan: "Plan", secrets: "dict[str, bytes]") -> None:
        self._container = container
        self._plan = plan
        self.plan = plan
        """As it is performed: with its network, secrets and sockets."""
        self._secrets = secrets
        self._read: list[int] = []
        self.outputs: list[Output] = []
        self._write = -1
        self.input: Input | None = None
        """The payload's stdin; None where it reads from nothing."""
        self.began = 0.0
        self.started: perform.Started | None = None
        self.oom_kills = 0
        self.ports: tuple[Published, ...] = ()
        """As they are published, with real numbers."""
        self._proxy: Attached | None = None
        self._member: Member | None = None
        self._held: Held | None = None

    @property
    def addresses(self) -> "list[str]":
        """Its addresses in the project's network."""
        return [] if self._member is None else self._member.addresses

    @property
    def way(self) -> "list[str]":
        """Which way out its private network has, and what is missing; empty if it is to have none."""
        member = None if self.started is None else self.started.member
        return [] if member is None else list(member.way)

    def begin(self, meanwhile: "Callable[[], None] | None" = None) -> None:
        """Start the payload; `meanwhile` is called while its sandbox is mounted.

        Leaves nothing where it raises. Raises NoCommandError, StaleError, RefusedError, OSError, and
        RefusedPortError for a port that is taken.
        """
        listening = _listen(self._container.config["network"]["published"])
        try:
            self._begin(listening, meanwhile)
        finally:
            if listening is not None:
                listening.close()

    def _begin(self, listening: "Listening | None", meanwhile: "Callable[[], None] | None") -> None:
        config = self._container.config
        plan: Plan = {**inherited.with_sockets(self._plan, os.environ), "label": config["name"]}
        if listening is not None:
            self.ports = listening.ports
            plan = {**plan, "published": listening.ports}
        if self._secrets:
            plan = _with_secrets(plan, self._secrets)
        further = dict(plan["variables"][len(self._plan["variables"]) :])
        payload = perform.Payload(config["command"], config["variables"] | further, config["workdir"], ())
        if config["tty"]:
            payload.adopt = _adopt
        told, payload.told = os.pipe()
        given = self._open_streams()
        try:
            upper = uppers.keep(plan["uppers"], self._container.id, uppers.over_of(plan), owner=plan["owner"])
            self._member, plan = join(config, plan)
            self.plan = plan

            def mounting(started: perform.Started) -> None:
                if listening is not None:
                    self._publish(listening, started, as_root=plan["idmapped"])
                if meanwhile is not None:
                    meanwhile()

            self.started = perform.start(plan, payload, given, upper, self._member, meanwhile=mounting)
        except BaseException:
            os.close(told)
            self._close()
            raise
        finally:
            for descriptor in {*given, payload.told}:
                os.close(descriptor)
        self.began = monotonic()
        with open(told, "rb", buffering=0) as file:
            code = file.read()
        if code:
            self._fail(int(code))

    def _publish(self, listening: "Listening", started: perform.Started, *, as_root: bool) -> None:
        """Start the proxy of a sandbox that is on its way."""
        from envforge.containers.network.proxy import attach  # noqa: PLC0415  # only with published ports

        self._proxy = attach(listening, started.network or (-1, -1), as_root=as_root)

    def _open_streams(self) -> "tuple[int, int, int]":
        """Return the payload's ends of its standard streams; ours are kept."""
        if self._container.config["tty"]:
            master, terminal = os.openpty()
            self._read, self._write = [master], os.dup(master)
            return terminal, terminal, terminal
        out, out_inside = os.pipe()
        errors, errors_inside = os.pipe()
        self._read = [out, errors]
        if not self._container.config["interactive"]:
            return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), out_inside, errors_inside
        inside, self._write = os.pipe()
        return inside, out_inside, errors_inside

    def _fail(self, code: int) -> None:
        assert self.started is not None
        os.waitpid(self.started.pid, 0)
        self.started.ended(code)
        said = b""
        for descriptor in self._read:
            os.set_blocking(descriptor, False)
            try:
                said += os.read(descriptor, 4096)
            except BlockingIOError:
                continue
        self._close()
        raise NoCommandError(code, said.decode(errors="replace").strip().removeprefix("envforge: "))

    def watch(
        self, loop: Loop, taken: "Callable[[str, bytes], None]", ended: "Callable[[int], None]"
    ) -> None:
        """Hand on what it writes, and say when it has ended."""
        assert self.started is not None
        for name, descriptor in zip(("stdout", "stderr"), self._read, strict=False):
            self.outputs.append(Output(loop, descriptor, lambda data, name=name: taken(name, data)))  # type: ignore[misc]
        self._read = []
        if self._write >= 0:
            self.input, self._write = Input(loop, self._write), -1
        loop.watch(self.started.pidfd, ended)
        if self._member is not None:
            self._held = Held(loop, self._member)

    def end(self, loop: Loop, taken: "Callable[[str, bytes], None]", gone: "Callable[[int], None]") -> bool:
        """Take what it left and clean up after it; say its exit code to `gone` once its ports are free.

        Return False where that takes a while: a client may be slow to read what was sent to it.
        """
        assert self.started is not None
        loop.unwatch(self.started.pidfd)
        if self._held is not None:
            self._held.forget()
            self._held = None
        for name, output in zip(("stdout", "stderr"), self.outputs, strict=False):
            if rest := output.drain(_PATIENCE_S if self.started.carrier else 0):
                taken(name, rest)
        proxy, self._proxy = self._proxy, None
        self._close()
        _, status = os.waitpid(self.started.pid, 0)
        code = init.exit_code(status)
        try:
            self.started.ended(code)
        except Exception as error:  # noqa: BLE001  # whatever it is, how the container ended is written down
            taken("stderr", f"envforge: what it used could not be cleaned up: {error!r}\n".encode())
        self.oom_kills = self.started.oom_kills
        if proxy is None:
            gone(code)
            return True
        proxy.let_go()
        loop.await_child(proxy.pid, lambda: gone(code))
        return False

    def _close(self) -> None:
        for descriptor in (*self._read, self._write):
            if descriptor >= 0:
                os.close(descriptor)
        self._read, self._write = [], -1
        if self.input is not None:
            self.input.close()
        if self._proxy is not None:
            self._proxy.close()
            self._proxy = None
        if self._member is not None:
            self._member.close()
            self._member = None

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the payload's terminal, if it has one."""
        if self.input is None or self.input.descriptor < 0 or not self._container.config["tty"]:
            return
        size = b"".join(number.to_bytes(2, "little") for number in (rows, columns, 0, 0))
        ioctl(self.input.descriptor, _TIOCSWINSZ, size)
        if self.started is not None and self.started.carrier:
            os.kill(self.started.carrier, SIGWINCH)  # it has no terminal that would tell it

    def signal(self, number: int) -> None:
        """Send the payload a signal; SIGKILL ends all that is inside."""
        assert self.started is not None
        try:
            if number == _SIGKILL or number in init.FORWARDED:
                os.kill(self.started.pid, number)
            else:
                os.kill(_payload_of(self.started.pid), number)
        except ProcessLookupError:
            return  # it is about to be gone


def _adopt() -> None:
    """In the payload: make the terminal on its streams the controlling one."""
    os.setsid()
    ioctl(0, _TIOCSCTTY, 0)


def _listen(published: "list[dict[str, Any]]") -> "Listening | None":
    if not published:
        return None
    from envforge.containers.network.listening import listen  # noqa: PLC0415  # only with published ports

    return listen((one["address"], one["host"], one["container"], one["protocol"]) for one in published)


def given_secrets() -> "dict[str, bytes]":
    """Return the container's secrets, which whoever started this process has put into its stdin."""
    with open(0, "rb", buffering=0) as file:
        data = file.read()
    os.open(os.devnull, os.O_RDONLY)  # becomes descriptor 0
    return marshal.loads(data) if data else {}  # noqa: S302  # our own parent's


def _with_secrets(plan: "Plan", secrets: "dict[str, bytes]") -> "Plan":
    """Return the plan with secrets as files of the payload's user, in memory only."""
    files = tuple((f"{_SECRETS}/{name}", content) for name, content in secrets.items())
    return {
        **plan,
        "runtime_directories": (*plan["runtime_directories"], _SECRETS),
        "runtime_files": (*plan["runtime_files"], *files),
    }


def _payload_of(first: int) -> int:
    """Return the payload's pid outside. Raises ProcessLookupError if it has ended."""
    try:
        with open(f"/proc/{first}/task/{first}/children", encoding="ascii") as file:
            children = file.read().split()
        for pid in children:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
            if next((line.split()[-1] for line in lines if line.startswith("NSpid:")), "") == _PAYLOAD:
                return int(pid)
    except FileNotFoundError:
        pass
    raise ProcessLookupError
