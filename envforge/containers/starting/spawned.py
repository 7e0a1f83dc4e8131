"""A supervisor with a Python of its own: from any thread, and for as long as the asker likes."""

import os
import sys
from fcntl import F_DUPFD_CLOEXEC, fcntl

import envforge
from envforge.containers.starting.ahead import ABOVE, DEFAULTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

    from envforge.containers.records import Container
else:
    import _signal as signal  # `signal` imports `enum`

_CODE = (
    "import sys; sys.path[:] = sys.argv[1].split('\\n'); "
    "from envforge import importing; importing.install(); "
    "from envforge.containers.supervisor import main; main.supervise_apart(*sys.argv[2:])"
)
"""Its own search for packages is left out: that takes 3 ms, and the answer is known here."""


def start(container: "Container") -> bytes:
    """Start that container; return what its supervisor answers, b"" if it was killed. Raises OSError."""
    given = _secrets(container)
    read, write = os.pipe()
    try:
        spawned = _spawn(container, given, write)
    except OSError:
        os.close(read)
        raise
    finally:
        os.close(write)
        os.close(given)
    with open(read, "rb", buffering=0) as file:
        answer = file.read()
    os.waitpid(spawned, 0)
    return answer


def _secrets(container: "Container") -> int:
    """Return a descriptor from which the supervisor reads the container's secrets."""
    if not container.config.get("secrets"):
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    from envforge.containers import secrets  # noqa: PLC0415  # few containers have some

    return secrets.handed_on(secrets.read(container, os.environ))


def _spawn(container: "Container", given: int, answer: int) -> int:
    """Start a supervisor that reads from `given` and writes to `answer`; return the pid to wait for."""
    above = os.path.dirname(os.path.dirname(os.path.abspath(envforge.__file__)))
    places = "\n".join([above, *(path for path in sys.path if path.startswith("/") and "\n" not in path)])
    words = [sys.executable, "-I", "-S", "-c", _CODE, places, container.store, container.id]
    nothing = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    held = [fcntl(one, F_DUPFD_CLOEXEC, ABOVE) for one in (given, nothing, answer)]
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
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, *DEFAULTED),
        )
    finally:
        for descriptor in (*held, nothing):
            os.close(descriptor)
