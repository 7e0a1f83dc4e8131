"""Calls a function inside namespace A: in a forked child with a user and mount namespace of its own.

The child still sees the host's tree, so this is for trusted code only: probes, the start of apt's sandbox.
`confine.py` is for untrusted content. The result comes back through a pipe; the child dies with its parent.
"""

import errno
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, ParamSpec, TypeVar, cast

from envforge.errors import CapabilityError, EnvforgeError, SandboxError
from envforge.kernel import advice, processes, syscalls
from envforge.kernel.interrupts import signals_wait
from envforge.process import find_program, run
from envforge.sandbox.ids.identity import Identity, Map, map_text
from envforge.sandbox.ids.surroundings import forget_caller
from envforge.sandbox.payload import map_ids
from envforge.whole_file import write_all

T = TypeVar("T")
P = ParamSpec("P")


class WorkerCrashError(RuntimeError):
    """A bug inside the namespace: the text is the child's traceback."""


def call_in_namespace(identity: Identity, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return `function(*args)` as a child computes it that is uid 0 in namespace A, with all capabilities.

    The child has a private mount namespace. An EnvforgeError or OSError that it raises is raised here too,
    any other exception as WorkerCrashError. Raises CapabilityError if the namespace cannot be made.
    """
    result_read, result_write = os.pipe()
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with signals_wait():
        child = os.fork()
    if child == 0:
        os.close(result_read)
        os.close(ready_read)
        os.close(go_write)
        _serve(identity, ready_write, go_read, result_write, lambda: function(*args, **kwargs))
    os.close(result_write)
    os.close(ready_write)
    os.close(go_read)
    try:
        _let_in(identity, child, ready_read, go_write)
        payload = _read_all(result_read)
    except BaseException:
        _end(child)
        raise
    finally:
        for descriptor in (result_read, ready_read, go_write):
            os.close(descriptor)
    return cast("T", _unwrap(payload, _wait(child)))


def _let_in(identity: Identity, child: int, ready: int, go: int) -> None:
    """Write the child's maps once it has its namespace, then let it run."""
    said = os.read(ready, 16)
    if said != b"ready":
        number = int(said) if said.isdigit() else errno.EPERM
        raise advice.no_user_namespace(OSError(number, os.strerror(number)))
    write_maps(child, identity.uid_map, identity.gid_map, needs_tools=identity.needs_tools)
    os.write(go, b"go")


def write_maps(pid: int, uid_map: Map, gid_map: Map, *, needs_tools: bool) -> None:
    """Map the ids of the user namespace of `pid`, through newuidmap and newgidmap if `needs_tools`.

    Raises CapabilityError if that is refused.
    """
    if needs_tools:
        for tool, lines in (("newuidmap", uid_map), ("newgidmap", gid_map)):
            numbers = [str(number) for line in lines for number in line]
            done = run([find_program(tool) or tool, str(pid), *numbers])
            if done.code:
                raise advice.no_id_map(tool, done.errors)
        return
    try:
        map_ids(str(pid), map_text(uid_map), map_text(gid_map), deny_groups=os.geteuid() != 0)
    except OSError as error:
        raise CapabilityError(f"cannot map ids: {error}", hint="envforge doctor") from error


@contextmanager
def namespace_descriptor(uid_map: Map, gid_map: Map) -> Iterator[int]:
    """Yield the descriptor of a user namespace with these maps, for idmapped mounts. For root only."""
    wait_read, wait_write = os.pipe()
    ready_read, ready_write = os.pipe()
    with signals_wait():
        child = os.fork()
    if child == 0:
        _hold_namespace(ready_write, wait_read, wait_write)
    os.close(ready_write)
    try:
        said = os.read(ready_read, 16)
        if said != b"ready":
            number = int(said or errno.EPERM)
            raise advice.no_user_namespace(OSError(number, os.strerror(number)))
        write_maps(child, uid_map, gid_map, needs_tools=False)
        namespace = os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield namespace
        finally:
            os.close(namespace)
    finally:
        _end(child)
        for descriptor in (ready_read, wait_read, wait_write):
            os.close(descriptor)


def _hold_namespace(ready: int, wait: int, other_end: int) -> NoReturn:
    try:
        os.close(other_end)
        processes.unshare(processes.CLONE_NEWUSER)
        os.write(ready, b"ready")
        os.read(wait, 1)
    except OSError as error:
        os.write(ready, str(error.errno).encode())
    finally:
        os._exit(0)


def _serve(identity: Identity, ready: int, go: int, result: int, function: Callable[[], object]) -> NoReturn:
    """Enter the namespace, call the function, send its outcome, end."""
    code = 1
    try:
        forget_caller()
        if _enter(identity, ready, go):
            _send(result, _outcome(function))
            code = 0
    finally:
        os._exit(code)


def _enter(identity: Identity, ready: int, go: int) -> bool:
    try:
        processes.unshare(processes.CLONE_NEWUSER | processes.CLONE_NEWNS)
    except OSError as error:
        os.write(ready, str(error.errno).encode())
        return False
    processes.set_parent_death_signal(signal.SIGKILL)
    os.write(ready, b"ready")
    if os.read(go, 2) != b"go":
        return False  # the parent is gone, or could not map
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    if identity.held != "flat":
        os.setgroups([])
    processes.set_parent_death_signal(signal.SIGKILL)  # changing ids may have cleared it
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    return True


def _outcome(function: Callable[[], object]) -> tuple[str, object]:
    try:
        return "value", function()
    except (EnvforgeError, OSError) as error:
        return "error", error
    except KeyboardInterrupt:
        return "interrupt", None
    except BaseException:  # noqa: BLE001  # whatever it is, it goes to the parent with its traceback
        return "crash", traceback.format_exc()


def _send(descriptor: int, outcome: tuple[str, object]) -> None:
    try:
        payload = pickle.dumps(outcome, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001  # a result that cannot be pickled is a bug to be shown
        payload = pickle.dumps(("crash", traceback.format_exc()))
    write_all(descriptor, payload)
    sys.stdout.flush()
    sys.stderr.flush()


def _read_all(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    _wait(child)


def _wait(child: int) -> int:
    """Return the child's wait status; 0 if this process ignores SIGCHLD, so that the kernel keeps none."""
    try:
        return os.waitpid(child, 0)[1]
    except ChildProcessError:
        return 0


def _unwrap(payload: bytes, status: int) -> object:
    code = os.waitstatus_to_exitcode(status)
    if not payload:
        if code == -signal.SIGINT:
            raise KeyboardInterrupt
        if code < 0:
            raise SandboxError(
                f"the worker was ended by {signal.Signals(-code).name}",
                hint="out of memory? see `dmesg`" if code == -signal.SIGKILL else "",
            )
        raise WorkerCrashError(f"the worker ended with code {code} and no result")
    kind, value = pickle.loads(payload)  # noqa: S301  # written by our own child
    if kind == "value":
        return value
    if kind == "error":
        raise value
    if kind == "interrupt":
        raise KeyboardInterrupt
    raise WorkerCrashError(str(value))
