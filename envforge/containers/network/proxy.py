"""The process behind published ports: it has the host's listening sockets, and lives in a sandbox's network.

    client ── host's socket ── proxy, in the sandbox's user and network namespaces ── 127.0.0.1 or ::1 inside

A listening socket stays in the network that it was opened in, and so do the connections that come of it; the
sockets that the proxy makes are the sandbox's, as it has joined its namespaces. So one process has both sides
and no descriptor is passed. It has no capability, no file of the host's but these sockets, is in no PID
namespace of the sandbox, and can be neither traced nor read. It dies with its starter.
"""

import os
from time import monotonic

from envforge.containers.network import joining
from envforge.containers.network.datagrams import CLIENTS_MAX, Port
from envforge.containers.network.listening import Listening
from envforge.containers.network.loop import EPOLLIN, Loop
from envforge.containers.network.streams import Streams
from envforge.kernel import init, processes, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIG_DFL, SIG_SETMASK, SIGKILL, SIGTERM, pthread_sigmask, signal
    from typing import NoReturn
else:
    from _signal import SIG_DFL, SIG_SETMASK, SIGKILL, SIGTERM, pthread_sigmask, signal

SILENT_S = 1.0
DRAINING_S = 10.0
"""How long clients have, once the sandbox has ended, to take what it still sent; sooner if none takes any."""
_SWEPT_S = 10.0
_CONNECTIONS_MAX = 8192
_SPARE = 64
"""Descriptors that are neither connections nor listening sockets."""


class Attached:
    """A running proxy, a child of the process that started it."""

    __slots__ = ("_control", "pid", "ports")

    def __init__(self, pid: int, control: int, ports: "tuple[tuple[str, int, int, str], ...]") -> None:
        self.pid = pid
        self.ports = ports
        """As published, with real numbers."""
        self._control = control

    def close(self) -> None:
        """Let it pass on what the sandbox has sent before it ended, and wait for its end."""
        if self._control >= 0:
            self.let_go()
            init.wait(self.pid)

    def let_go(self) -> None:
        """Let it pass that on and end, which may take DRAINING_S; the caller waits for it."""
        # Told by a byte, as other children of the starter's may hold this end of the pipe open.
        try:  # noqa: SIM105  # contextlib costs a millisecond
            os.write(self._control, b".")
        except BrokenPipeError:
            pass  # it has ended already
        os.close(self._control)
        self._control = -1


def attach(
    listening: Listening, namespaces: "tuple[int, int]", *, as_root: bool, keeps_errors: bool = False
) -> Attached:
    """Start the proxy of a sandbox; the namespaces are its user and its network namespace.

    `keeps_errors`: it has its starter's standard error, which then may not be closed before its own end. The
    caller keeps its sockets and descriptors. Raises OSError.
    """
    control, tell = os.pipe()
    try:
        pid = processes.clone(0)
        if pid == 0:
            _be_proxy(listening, namespaces, control, as_root=as_root, keeps_errors=keeps_errors)
    except BaseException:
        os.close(tell)
        raise
    finally:
        os.close(control)
    return Attached(pid, tell, listening.ports)


def _be_proxy(
    listening: Listening, namespaces: "tuple[int, int]", control: int, *, as_root: bool, keeps_errors: bool
) -> "NoReturn":
    code = 1
    try:
        processes.set_dumpable(0)
        os.setsid()  # the terminal's signals are for the payload
        pthread_sigmask(SIG_SETMASK, ())
        signal(SIGTERM, SIG_DFL)
        _close_all_but(listening, namespaces, control, keeps_errors=keeps_errors)
        joining.join(*namespaces, as_root=as_root)
        processes.set_name("envforge-proxy")
        processes.set_parent_death_signal(SIGKILL)  # after the changes of ids, which clear it
        _serve(listening, control)
        code = 0
    except BaseException:  # noqa: BLE001  # a bug: it may not unwind into the starter's frames
        import traceback  # noqa: PLC0415  # likewise

        traceback.print_exc()
    finally:
        os._exit(code)


def _close_all_but(
    listening: Listening, namespaces: "tuple[int, int]", control: int, *, keeps_errors: bool
) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1) if keeps_errors else (0, 1, 2):
        os.dup2(nothing, number)
    os.chdir("/")
    syscalls.close_others([*(one.fileno() for one in listening.sockets), *namespaces, control])


def _serve(listening: Listening, control: int) -> None:
    """Carry until the starter closes its end of `control`, or dies."""
    loop = Loop()
    is_stream = [protocol == "tcp" for _, _, _, protocol in listening.ports]
    datagram_ports = is_stream.count(False)
    streams = Streams(loop, _connections_max(len(is_stream), bool(datagram_ports)))
    ports = []
    for one, (_, _, inside, protocol) in zip(listening.sockets, listening.ports, strict=True):
        if protocol == "tcp":
            streams.add(one, inside)
        else:
            ports.append(Port(loop, one, inside, max(1, CLIENTS_MAX // datagram_ports)))

    def on_control(_events: int) -> None:
        loop.is_stopped = True

    loop.watch(control, on_control, EPOLLIN)
    while not loop.is_stopped:
        loop.turn(_SWEPT_S if ports else -1)
        for port in ports:
            port.sweep()
    loop.forget(control)
    for port in ports:
        port.stop()
    streams.stop()
    end = monotonic() + DRAINING_S
    while not streams.is_idle and monotonic() < end and loop.turn(SILENT_S):
        pass


def _connections_max(ports: int, has_datagrams: bool) -> int:  # noqa: FBT001
    """Raise the limit of descriptors as far as it goes; return how many connections fit."""
    from resource import RLIMIT_NOFILE, getrlimit, setrlimit  # noqa: PLC0415  # in the proxy only

    _, hard = getrlimit(RLIMIT_NOFILE)
    wanted = 2 * _CONNECTIONS_MAX + CLIENTS_MAX + ports + _SPARE
    limit = wanted if hard < 0 else min(wanted, hard)
    setrlimit(RLIMIT_NOFILE, (limit, hard))
    spare = _SPARE + ports + (CLIENTS_MAX if has_datagrams else 0)
    return max(1, (limit - spare) // 2)
