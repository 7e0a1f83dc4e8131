"""pasta(1), of the package `passt`: a plain user's way out.

It speaks for the namespace with sockets of its own on the host, as a proxy would. What it does besides by
default is switched off: no port is led in or out, and no address inside means the host's loopback.
It does not end with a namespace that it serves, so whoever starts it has to end it; and where that one was
killed, the next one who looks.

    RUNTIME/ways/<pid>      of one of them: when it started; pid and start of the process that it is for
"""

import os
from errno import ENOENT

from envforge.sandbox import record
from envforge.sandbox.outbound.resolvers import FORWARDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIGCHLD, SIGINT, SIGPIPE, SIGTERM, SIGXFSZ
else:
    from _signal import SIGCHLD, SIGINT, SIGPIPE, SIGTERM, SIGXFSZ

_PLACES = "/usr/local/bin:/usr/bin:/bin"
_CUT_OFF = ("--no-map-gw", "-t", "none", "-u", "none", "-T", "none", "-U", "none")
_NOT_NEEDED = ("--no-dhcp", "--no-dhcpv6", "--no-ra")
_SAID_MAX_BYTES = 4096
_SIGKILL = 9


class PastaError(OSError):
    """pasta has not started; `strerror` is what it said."""


def program() -> str:
    """Return its path, "" if it is not installed."""
    for place in os.environ.get("PATH", _PLACES).split(":"):
        path = f"{place}/pasta"
        if place.startswith("/") and os.access(path, os.X_OK):
            return path
    return ""


def start(pid: int, interface: str, *, forwards: bool) -> int:
    """Start it for the namespaces of a process, in which it makes that interface; return its pid.

    It is this process's child, and carries by now. `forwards`: it leads FORWARDED to the host's resolver.
    Raises PastaError.
    """
    path = program()
    if not path:
        raise PastaError(ENOENT, "it is not installed")
    namespaces = ("--userns", f"/proc/{pid}/ns/user", "--netns", f"/proc/{pid}/ns/net")
    options = ("--foreground", "--quiet", "--config-net", "--ns-ifname", interface, *_CUT_OFF, *_NOT_NEEDED)
    resolver = ("--dns-forward", FORWARDED) if forwards else ()
    words = ["pasta", *options, *resolver, *namespaces, "--pid", "/proc/self/fd/1"]
    told, tell = os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    said = os.memfd_create("said")
    try:
        started = os.posix_spawn(
            path,
            words,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing, 0),
                (os.POSIX_SPAWN_DUP2, tell, 1),
                (os.POSIX_SPAWN_DUP2, said, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(SIGPIPE, SIGXFSZ, SIGCHLD, SIGINT, SIGTERM),
        )
        os.close(tell)
        tell = -1
        if not os.read(told, 16):
            os.waitpid(started, 0)
            text = os.pread(said, _SAID_MAX_BYTES, 0).decode(errors="replace").strip().splitlines()
            raise PastaError(1, text[-1] if text else "it has ended")
    finally:
        for descriptor in (told, tell, nothing, said):
            if descriptor >= 0:
                os.close(descriptor)
    return started


def note(pid: int) -> None:
    """Write down that this process has started it for itself."""
    place = _place()
    os.makedirs(place, 0o700, exist_ok=True)
    own = os.getpid()
    with open(f"{place}/{pid}", "w", encoding="utf-8") as file:
        file.write(f"{record.started_of(pid)} {own} {record.started_of(own)}")


def forget(pid: int) -> None:
    """Note that it has ended."""
    try:  # noqa: SIM105  # contextlib costs a millisecond
        os.unlink(f"{_place()}/{pid}")
    except FileNotFoundError:
        pass


def sweep() -> None:
    """End those whose starters were killed."""
    try:
        names = os.listdir(_place())
    except FileNotFoundError:
        return
    for name in names:
        try:
            with open(f"{_place()}/{name}", encoding="utf-8") as file:
                started, starter, its_start = map(int, file.read().split())
        except (FileNotFoundError, ValueError):
            continue  # it has just ended, or is being written
        if not is_there(starter, its_start):
            end(int(name), started)
            forget(int(name))


def end(pid: int, started: int) -> None:
    """Kill it, unless the number is another process's by now."""
    if is_there(pid, started):
        try:  # noqa: SIM105  # contextlib costs a millisecond
            os.kill(pid, _SIGKILL)
        except ProcessLookupError:
            pass


def is_there(pid: int, started: int) -> bool:
    """Say whether that process lives, and is no zombie (proc(5), fields 3 and 22 of stat)."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return False
    return pid > 0 and fields[0] not in (b"Z", b"X") and int(fields[19]) == started


def _place() -> str:
    return f"{os.path.dirname(record.directory())}/ways"
