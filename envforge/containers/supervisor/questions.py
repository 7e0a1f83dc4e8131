"""What a supervisor answers: stop, kill, wait, attach. Other parts add their own (`Server.on`)."""

from envforge.containers.supervisor.attached import Attached
from envforge.containers.supervisor.server import Client, Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from signal import NSIG
    from typing import Any

    from envforge.containers.records import Container
    from envforge.containers.supervisor.loop import Loop
else:
    from _signal import NSIG


class Questions:
    """The control socket, and the clients that wait for something."""

    def __init__(
        self,
        loop: "Loop",
        container: "Container",
        stop: "Callable[[int, float], None]",
        kill: "Callable[[int], None]",
    ) -> None:
        self._usual = container.config["stop"]
        self._do_stop = stop
        self._do_kill = kill
        self.server = Server(loop, container.directory)
        self._waiting: list[Client] = []
        self.attached = Attached(
            tty=container.config["tty"],
            interactive=container.config["interactive"],
            is_awaited=container.config.get("foreground", False) and not container.state["started"],
        )
        self.server.on("attach", self.attached.add)
        self.server.on("stop", self._stop)
        self.server.on("kill", self._kill)
        self.server.on("wait", self._wait)

    def ended(self, code: int) -> None:
        """Tell everybody who waits for it that the container has ended."""
        self.attached.end(code)
        waiting, self._waiting = self._waiting, []
        for client in waiting:
            client.answer(exit_code=code)

    def goodbye(self, done: "Callable[[], None]") -> None:
        """Call `done` once every client has read all that it was sent."""
        clients = set(self.server.clients)

        def gone(client: Client) -> None:
            clients.discard(client)
            if not clients:
                done()

        for client in set(clients):
            client.closed = lambda client=client: gone(client)
            client.end()
        if not clients:
            done()

    def _wait(self, client: Client, _asked: "dict[str, Any]") -> None:
        self._waiting.append(client)

    def _stop(self, client: Client, asked: "dict[str, Any]") -> None:
        self._waiting.append(client)
        seconds = asked.get("seconds")
        number = _checked(asked.get("signal") or self._usual["signal"])
        self._do_stop(number, self._usual["seconds"] if seconds is None else seconds)

    def _kill(self, client: Client, asked: "dict[str, Any]") -> None:
        self._do_kill(_checked(asked["signal"]))
        client.answer()


def _checked(number: object) -> int:
    """Return the number of a signal. Raises ValueError for anything else."""
    if isinstance(number, int) and 0 < number < NSIG:
        return number
    raise ValueError(number)
