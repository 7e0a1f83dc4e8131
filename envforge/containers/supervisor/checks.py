"""Runs a container's health checks: a command inside, or a connection to a port inside.

Each check is a child of the supervisor, which writes what it has to say into a pipe and ends with 0 if all is
well; one that takes too long is killed. What its output and its end mean, `health.py` decides.
"""

import os
from _socket import AF_INET, SOCK_STREAM, socket
from time import monotonic

from envforge.containers import joined
from envforge.containers.network import joining
from envforge.containers.supervisor.health import OUTPUT_MAX_BYTES, Health
from envforge.containers.supervisor.loop import Loop, Timer
from envforge.kernel import init, processes
from envforge.sandbox.life import join, namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from envforge.containers.records import Container
    from envforge.sandbox.compiled import Plan

_SIGKILL = 9
_LOOPBACK = "127.0.0.1"
_ANSWER_MAX_BYTES = 1 << 12


class Checks:
    """The health checks of one life of a container."""

    def __init__(
        self,
        loop: Loop,
        container: "Container",
        plan: "Plan",
        changed: "Callable[[dict[str, Any]], None]",
    ) -> None:
        """Begin to check a container that has just started. `changed` gets each new state of its health."""
        self._loop = loop
        self._container = container
        self._plan = plan
        self._asked = container.config["health"]
        self._changed = changed
        self._health = Health(self._asked, monotonic())
        self._child = 0
        self._pidfd = -1
        self._output = -1
        self._said = b""
        self._is_late = False
        self._timer: Timer | None = None
        self._plan_next()

    def document(self) -> "dict[str, Any]":
        """Return the health as it stands in the container's state."""
        return self._health.document()

    def end(self) -> None:
        """Check no more; a check that runs is killed."""
        self._loop.cancel(self._timer)
        if self._child:
            self._kill()
            os.waitpid(self._child, 0)
            self._forget()

    def _plan_next(self) -> None:
        self._timer = self._loop.later(max(0.0, self._health.due - monotonic()), self._begin)

    def _begin(self) -> None:
        self._said = b""
        self._is_late = False
        read, write = os.pipe()
        try:
            self._child = self._start(write)
        except (join.RefusedError, OSError) as error:
            os.close(read)
            self._take(passed=False, output=str(error))
            return
        finally:
            os.close(write)
        os.set_blocking(read, False)
        self._output = read
        self._pidfd = os.pidfd_open(self._child)
        self._loop.watch(read, self._read)
        self._loop.watch(self._pidfd, self._ended)
        self._timer = self._loop.later(self._asked["timeout"], self._too_late)

    def _start(self, output: int) -> int:
        """Start the check's process, which writes into `output`; return its pid."""
        if not self._asked["command"]:
            return self._start_connection(output)
        config = self._container.config
        payload = join.Payload(self._asked["command"], dict(config["variables"]), config["workdir"])
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            target = joined.target_of(self._container, self._plan)
            return join.join(target, self._plan, payload, (nothing, output, output)).pid
        finally:
            os.close(nothing)

    def _start_connection(self, output: int) -> int:
        is_own = self._plan["network"] != "host"
        target = joined.target_of(self._container, self._plan)
        inside = namespaces.open_namespaces(target) if is_own else None
        try:
            child = os.fork()
            if child == 0:
                self._be_connection(inside, output)
        finally:
            if inside is not None:
                inside.close()
        return child

    def _be_connection(self, inside: "namespaces.Namespaces | None", output: int) -> "NoReturn":
        code = 1
        try:
            processes.set_parent_death_signal(_SIGKILL)
            if inside is not None:
                network = next(one for one, flag in inside.others if flag == processes.CLONE_NEWNET)
                joining.join(inside.outer, network, as_root=self._plan["idmapped"])
            said = connect(self._asked)
            code = 1 if said else 0
            os.write(output, said.encode(errors="replace"))
        except OSError as error:
            os.write(output, f"{error.strerror or error}\n".encode())
        finally:
            os._exit(code)

    def _read(self, _events: int) -> None:
        try:
            piece = os.read(self._output, 1 << 16)
        except BlockingIOError:
            return
        if not piece:
            self._loop.unwatch(self._output)
        self._said = (self._said + piece)[-OUTPUT_MAX_BYTES:]

    def _ended(self, _events: int) -> None:
        _, status = os.waitpid(self._child, 0)
        self._loop.cancel(self._timer)
        self._read(0)
        self._forget()
        output = self._said.decode(errors="replace")
        if self._is_late:
            output += f"\nit took longer than {self._asked['timeout']:g} s"
        self._take(passed=init.exit_code(status) == 0, output=output)

    def _take(self, *, passed: bool, output: str) -> None:
        if self._health.checked(passed=passed, output=output, now=monotonic()):
            self._changed(self._health.document())
        self._plan_next()

    def _too_late(self) -> None:
        self._is_late = True
        self._kill()

    def _kill(self) -> None:
        try:
            os.kill(self._child, _SIGKILL)
        except ProcessLookupError:
            return

    def _forget(self) -> None:
        for descriptor in (self._output, self._pidfd):
            if descriptor >= 0:
                self._loop.unwatch(descriptor)
                os.close(descriptor)
        self._child, self._output, self._pidfd = 0, -1, -1


def connect(asked: "dict[str, Any]") -> str:
    """Connect to what a check asks for; return what is wrong, an empty text if nothing is. Raises OSError."""
    if asked["tcp"]:
        _connected(asked["tcp"]).close()
        return ""
    rest = asked["http"].removeprefix("http://")
    place, slash, path = rest.partition("/")
    port = place.partition(":")[2] or "80"
    connection = _connected(int(port))
    request = f"GET {slash or '/'}{path} HTTP/1.0\r\nHost: {place}\r\nUser-Agent: envforge\r\n\r\n"
    connection.sendall(request.encode())
    answer = b""
    while b"\n" not in answer and len(answer) < _ANSWER_MAX_BYTES:
        piece = connection.recv(_ANSWER_MAX_BYTES)
        if not piece:
            break
        answer += piece
    connection.close()
    words = answer.partition(b"\n")[0].decode("ascii", "replace").split()
    if len(words) >= 2 and words[0].startswith("HTTP/") and words[1][:1] in ("2", "3"):
        return ""
    return f"{asked['http']} answered {' '.join(words)[:200] or 'nothing'}\n"


def _connected(port: int) -> socket:
    connection = socket(AF_INET, SOCK_STREAM)
    connection.connect((_LOOPBACK, port))
    return connection
