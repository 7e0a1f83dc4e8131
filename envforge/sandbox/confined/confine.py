"""Starts confined processes: they handle untrusted content and can see nothing of the host.

    caller              the host's view; decides, and accepts nothing but plain JSON from the child
    `- confined child   uid 0 of a user namespace, PID 1, no network, few capabilities; its root is an empty
                        tmpfs with /proc, six device nodes, and what its view names, at the same paths

For unpacking, configuring, listing, deleting, reading accounts: an exploit in there can spoil what the view
makes writable, no more. For root the namespace maps an unused range of ids, and the view consists of idmapped
mounts, if the kernel can; else it maps all ids, but still shows nothing of the host's tree.
"""

import codecs
import hashlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, TypeVar

from attrs import frozen

from envforge import errors
from envforge.errors import SandboxError
from envforge.kernel import advice, init, processes, release, seccomp, syscalls
from envforge.kernel.interrupts import signals_wait
from envforge.kernel.processes import clone
from envforge.sandbox.confined import inside
from envforge.sandbox.confined.view import BUILD, FILES, View
from envforge.sandbox.ids.identity import Identity, Map
from envforge.sandbox.ids.idmappable import not_idmappable
from envforge.sandbox.ids.worker import WorkerCrashError, write_maps
from envforge.sandbox.payload import RefusedError
from envforge.whole_file import write_all

__all__ = ["BUILD", "FILES", "View", "call_confined", "end", "start"]

_NAMESPACES: Final = (
    processes.CLONE_NEWUSER
    | processes.CLONE_NEWNS
    | processes.CLONE_NEWPID
    | processes.CLONE_NEWIPC
    | processes.CLONE_NEWUTS
    | processes.CLONE_NEWNET
    | processes.CLONE_NEWCGROUP
)
_ANSWER_MAX_BYTES: Final = 256 << 20

T = TypeVar("T")

for _name in ("ascii", "latin-1", "utf-8"):
    codecs.lookup(_name)  # now: a confined process has no modules to load
hashlib.sha256()  # likewise: `digest.new_sha256` loads it when it is needed


def call_confined(identity: Identity, view: View, function: Callable[..., T], *arguments: Any) -> T:
    """Return `function(*arguments)` as a confined child computes it. The result must be JSON values.

    An EnvforgeError or OSError that it raises is raised here too, any other exception as WorkerCrashError.
    """
    ours, theirs = os.pipe()

    def answer() -> None:
        write_all(theirs, outcome(function, *arguments))

    with open(ours, "rb") as file:
        try:
            child = start(identity, view, answer, keep=(theirs,))
        finally:
            os.close(theirs)
        try:
            said = file.read(_ANSWER_MAX_BYTES)
        finally:
            end(child)
    if not said:
        raise SandboxError(
            f"the process that does {function.__name__} ended without an answer",
            hint="out of memory? see `dmesg`",
        )
    return unwrapped(json.loads(said))  # type: ignore[no-any-return]


def outcome(function: Callable[..., object], *arguments: Any) -> bytes:
    """Call a function; return its result, or what it raised, as JSON."""
    found = errors.outcome(function, *arguments)
    try:
        return json.dumps(found).encode()
    except (TypeError, ValueError):
        return json.dumps(("crash", traceback.format_exc())).encode()


def unwrapped(found: Any) -> Any:
    """Return the result that `outcome` wrote down, or raise what it did; WorkerCrashError for a bug."""
    kind, value = found
    if kind == "value":
        return value
    error = errors.from_plain(kind, value)
    raise error if error is not None else WorkerCrashError(str(value))


def start(identity: Identity, view: View, body: Callable[[], None], *, keep: Sequence[int] = ()) -> int:
    """Start a confined child that runs `body` and ends; return its pid once it is confined.

    It keeps the descriptors of `keep`, besides the standard streams. It dies with the thread that started it.
    Raises CapabilityError or SandboxError if it cannot be made.
    """
    mapped = _maps(identity, view)
    seccomp.program(os.uname().machine, nested=False)  # now: a confined process cannot read its table
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        with signals_wait():
            child = clone(_NAMESPACES)
    except OSError as error:
        ours.close()
        theirs.close()
        raise advice.no_user_namespace(error) from error
    if child == 0:
        ours.close()
        inside.become(view, theirs, body, keep, one_id=identity.held == "flat")
    theirs.close()
    with ours:
        try:
            _let_in(child, view, mapped, identity, ours)
        except BaseException:
            end(child)
            raise
    return child


def end(child: int) -> None:
    """Kill a confined child with all its descendants, if it still runs, and reap it."""
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        return
    init.wait(child)


@frozen
class _Mapped:
    uid_map: Map
    gid_map: Map
    shifted: bool
    """The view consists of idmapped mounts."""


def _maps(identity: Identity, view: View) -> _Mapped:
    if identity.held == "true" and identity.run_uid_map != identity.uid_map and not view.every_id:
        places = tuple(sorted({one.source for one in view.shown}))
        if release.version() >= release.OVER_IDMAPPED and _all_idmappable(identity, places):
            return _Mapped(identity.run_uid_map, identity.run_gid_map, shifted=True)
    return _Mapped(identity.uid_map, identity.gid_map, shifted=False)


@cache
def _all_idmappable(identity: Identity, places: tuple[str, ...]) -> bool:
    return not not_idmappable(identity, list(places))


def _let_in(child: int, view: View, mapped: _Mapped, identity: Identity, channel: socket.socket) -> None:
    """Map the child's ids, send it the mounts that it cannot open itself, wait until it is confined."""
    write_maps(child, mapped.uid_map, mapped.gid_map, needs_tools=identity.needs_tools)
    trees: list[int] = []
    try:
        if mapped.shifted:
            namespace = os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            trees.append(namespace)
            for one in view.ordered:
                trees.append(syscalls.open_tree(one.source, syscalls.OPEN_TREE_CLONE))
                syscalls.mount_setattr(
                    trees[-1],
                    syscalls.MOUNT_ATTR_IDMAP,
                    user_namespace=namespace,
                    recursive=False,
                    path=one.source,
                )
        socket.send_fds(channel, [b"go"], trees[1:])
    finally:
        for descriptor in trees:
            os.close(descriptor)
    said = b""
    while piece := channel.recv(4096):
        said += piece
    if said != b"confined":
        raise _explained(said)


def _explained(said: bytes) -> errors.EnvforgeError:
    if not said:
        return SandboxError("a confined process ended before it began", hint="envforge doctor")
    refused = RefusedError.from_bytes(said)
    return advice.no_mount(refused.error, refused.step)
