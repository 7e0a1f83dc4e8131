"""Creates, starts, stops and removes containers, for commands: from any thread. Loaded on the warm path."""

import marshal
import os
import sys
from fcntl import F_DUPFD_CLOEXEC, fcntl

import envforge
from envforge.containers import control, making, records, removing, truth
from envforge.containers.records import Container
from envforge.errors import ConflictError, InUseError, NotFoundError, from_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import Any
else:
    import _signal as signal  # `signal` imports `enum`

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

_ABOVE = 10
_CODE = (
    "import sys; sys.path[:] = sys.argv[1].split('\\n'); "
    "from envforge import importing; importing.install(); "
    "from envforge.containers.supervisor import main; main.supervise_apart(*sys.argv[2:])"
)
"""Its own search for packages is left out: that takes 3 ms, and the answer is known here."""
_SIGKILL = 9
_DEFAULTED = (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


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
    store: str, plan: "Any", config: "records.Values", name: "str | None" = None, *, forks: bool = False
) -> Container:
    """Create a container and start it. Raises what both do, and leaves nothing behind then."""
    container = create(store, plan, config, name)
    try:
        start(container, forks=forks)
    except BaseException:
        remove(container, force=True)
        raise
    return container


def start(container: Container, *, forks: bool = False) -> bool:
    """Start a container that does not run; return False if it runs already.

    Returns once its command runs. With `forks` its supervisor is a fork of this process, which spares the
    20 ms of starting Python: only for a process of a single thread that has little loaded, and ends soon.
    Raises CommandError where there is no such command, StaleError where its environment is gone, RefusedError
    where the kernel refuses, RefusedPortError where a port is taken, NotFoundError where it has been removed.
    """
    if container.is_live:
        return False
    given = _secrets(container)
    read, write = os.pipe()
    try:
        spawned = (_fork if forks else _spawn)(container, given, write)
    except OSError:
        os.close(read)
        raise
    finally:
        os.close(write)
        os.close(given)
    with open(read, "rb", buffering=0) as file:
        answer = file.read()
    kind, *values = marshal.loads(answer) if answer else ("refused", "its supervisor", 10, None)  # noqa: S302  # our own child's
    if not forks or kind != "started":
        os.waitpid(spawned, 0)  # else that is the supervisor, which outlives this process
    if kind == "failed" and values[0] == InUseError.__name__ and find(container.store, container.id).is_live:
        return False  # another command was quicker
    _understand(kind, values)
    return True


def _secrets(container: Container) -> int:
    """Return a descriptor from which the supervisor reads the container's secrets."""
    if not container.config.get("secrets"):
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    from envforge.containers import secrets  # noqa: PLC0415  # few containers have some

    return secrets.handed_on(secrets.read(container, os.environ))


def _spawn(container: Container, given: int, answer: int) -> int:
    """Start a supervisor that reads from `given` and writes to `answer`; return the pid to wait for."""
    above = os.path.dirname(os.path.dirname(os.path.abspath(envforge.__file__)))
    places = "\n".join([above, *(path for path in sys.path if path.startswith("/") and "\n" not in path)])
    words = [sys.executable, "-I", "-S", "-c", _CODE, places, container.store, container.id]
    nothing = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    held = [fcntl(one, F_DUPFD_CLOEXEC, _ABOVE) for one in (given, nothing, answer)]
    try:
        return os.posix_spawn(
            sys.executable,
            words,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, held[0], 0),
                (os.POSIX_SPAWN_DUP2, held[1], 1),
                (os.POSIX_SPAWN_DUP2, held[2], 3),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, *_DEFAULTED),
        )
    finally:
        for descriptor in (*held, nothing):
            os.close(descriptor)


def _fork(container: Container, given: int, answer: int) -> int:
    """Start a supervisor likewise, as a fork of this process; return its own pid."""
    from envforge.containers.supervisor import main  # noqa: PLC0415  # once for both

    forked = os.fork()
    if forked:
        return forked
    try:
        os.setsid()
        for number in _DEFAULTED:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        nothing = os.open(os.devnull, os.O_WRONLY)
        held = [fcntl(one, F_DUPFD_CLOEXEC, _ABOVE) for one in (given, nothing, answer)]
        for descriptor, at in zip(held, (0, 1, 3), strict=True):
            os.dup2(descriptor, at)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        main.supervise(container.store, container.id)
        os._exit(0)
    except BaseException:  # noqa: BLE001  # nothing of the caller may go on in here
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


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
