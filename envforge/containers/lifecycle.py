"""Creates, starts, stops and removes containers, for commands: from any thread. Loaded on the warm path."""

import marshal
import os

from envforge.containers import control, making, records, removing, truth
from envforge.containers.records import Container
from envforge.errors import ConflictError, InUseError, NotFoundError, from_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from envforge.containers.starting.ahead import Ahead

__all__ = [
    "CommandError",
    "Container",
    "config_of",
    "create",
    "find",
    "kill",
    "remove",
    "run",
    "start",
    "stop",
    "wait",
]

create = making.create
config_of = making.config_of

_SIGKILL = 9


class CommandError(Exception):
    """The container's command is not there (127), or cannot be executed (126). Nothing of it ran."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.code = code
        self.said = said


def find(store: str, named: str) -> Container:
    """Return the container of that name, id or beginning of an id, with a state that is true.

    Raises NotFoundError, AmbiguousError, StoreError.
    """
    return truth.checked(records.find(store, named))


def run(
    store: str,
    plan: "Any",
    config: "records.Values",
    name: "str | None" = None,
    *,
    ahead: "Ahead | None" = None,
) -> Container:
    """Create a container and start it. Raises what both do, and leaves nothing behind then."""
    container = create(store, plan, config, name)
    try:
        start(container, ahead)
    except BaseException:
        remove(container, force=True)
        raise
    return container


def start(container: Container, ahead: "Ahead | None" = None) -> bool:
    """Start a container that does not run, by the supervisor that is `ahead` or one of its own.

    Returns once its command runs; False if it runs already.
    Raises CommandError where there is no such command, StaleError where its environment is gone, RefusedError
    where the kernel refuses, RefusedPortError where a port is taken, NotFoundError where it has been removed.
    """
    if container.is_live:
        return False
    answer = _asked(container) if ahead is None else ahead.start(container.id)
    kind, *values = marshal.loads(answer) if answer else ("refused", "its supervisor", 10, None)  # noqa: S302  # our own child's
    if kind == "failed" and values[0] == InUseError.__name__ and find(container.store, container.id).is_live:
        return False  # another command was quicker
    _understand(kind, values)
    return True


def _asked(container: Container) -> bytes:
    from envforge.containers.starting import spawned  # noqa: PLC0415  # not where one is ahead

    return spawned.start(container)


def _understand(kind: str, values: "list[Any]") -> None:
    """Raise what a supervisor answered."""
    if kind == "started":
        return
    if kind == "command":
        raise CommandError(*values)
    from envforge.sandbox import perform  # noqa: PLC0415  # only after a failure

    if kind == "stale":
        raise perform.StaleError(values[0])
    if kind == "port":
        from envforge.containers.network.listening import RefusedPortError  # noqa: PLC0415  # only with ports

        published, number = values
        raise RefusedPortError(published, OSError(number, os.strerror(number)))
    if kind == "refused":
        step, number, path = values
        raise perform.RefusedError(step, OSError(number, os.strerror(number), path))
    if kind == "failed":
        name, message, hint = values
        raise from_plain(name, (message, hint)) or RuntimeError(values)


def stop(container: Container, *, seconds: "int | None" = None, number: "int | None" = None) -> bool:
    """Stop a container: its stop signal, SIGKILL after its grace (or other ones); wait for its end.

    Return False if it did not run.
    """
    if not container.is_live:
        return False
    try:
        control.ask(container.directory, {"do": "stop", "signal": number, "seconds": seconds})
    except control.GoneError:
        truth.checked(container)  # it ended meanwhile, or its supervisor was killed
    return True


def kill(container: Container, number: int = _SIGKILL) -> None:
    """Send a signal to a container's command. Raises ConflictError if it does not run."""
    error = ConflictError(
        f"the container {container.name} is not running", hint="`envforge ps -a` says how it is"
    )
    if not container.is_live:
        raise error
    try:
        control.ask(container.directory, {"do": "kill", "signal": number})
    except control.GoneError:
        raise error from None


def wait(container: Container) -> int:
    """Wait until a container ends; return its exit code: at once if it does not run."""
    if container.is_live:
        try:
            return int(control.ask(container.directory, {"do": "wait"})["exit_code"])
        except control.GoneError:
            container = truth.checked(records.read(container.store, container.id))
    return int(container.state["exit_code"] or 0)


def remove(container: Container, *, force: bool = False) -> None:
    """Remove a container; with `force` also one that runs. Raises ConflictError, NotFoundError."""
    ends_removed = container.is_live and container.config["remove"]
    if container.is_live:
        if not force:
            raise ConflictError(
                f"the container {container.name} is running",
                hint=f"`envforge stop {container.name}` first, or `envforge rm -f {container.name}`",
            )
        stop(container, seconds=0)
    try:
        lock = records.lock(container.directory)
    except NotFoundError:
        if ends_removed:
            return
        raise
    try:
        container = records.read(container.store, container.id)
        removing.remove_locked(container)
    finally:
        os.close(lock)
