"""Work on foreign content, where nothing of the host can be seen: the process that does it is confined.

    caller              the host's view; decides, and believes nothing of what comes back but plain JSON
    `- confined child   uid 0 of a user namespace, PID 1, no network, few capabilities; its root is an empty
                        tmpfs with /proc, six device nodes, and what its view names, at the same paths

Unpacking, configuring, listing, deleting, reading accounts: a fault in there can spoil what the view lets it
write, no more. Run by root the namespace holds a range of ids that are nobody's, and the view's directories
are mounted with their ids shifted, where the kernel can; elsewhere all ids, but not the host's tree.
"""

import codecs
import errno
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final, NoReturn, TypeVar

from attrs import frozen

from envforge import errors
from envforge.errors import SandboxError
from envforge.sandbox import advice, init, mounts, seccomp, syscalls
from envforge.sandbox.capabilities import BUILD, FILES
from envforge.sandbox.identity import Identity, Map
from envforge.sandbox.plan import with_parents
from envforge.sandbox.settle import OVER_IDMAPPED, kernel_release, not_idmappable
from envforge.sandbox.worker import WorkerCrashError, write_maps

__all__ = ["BUILD", "FILES", "View", "call_confined", "end", "start"]

_NAMESPACES: Final = (
    syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWNET
)
_ROOT: Final = mounts.SCRATCH
_ANSWER_MAX_BYTES: Final = 256 << 20
_FAILED: Final = 125
_STANDARD: Final = 3

T = TypeVar("T")

for _name in ("ascii", "latin-1", "utf-8"):
    codecs.lookup(_name)  # now: a confined process has no modules to load


@frozen
class Shown:
    """A directory or file of the host, and the place inside."""

    source: str
    target: str
    writable: bool = False


@frozen
class View:
    """What a confined process can see."""

    shown: tuple[Shown, ...] = ()
    hidden: tuple[str, ...] = ()
    """Directories inside what is shown that are covered by an empty one."""
    capabilities: tuple[int, ...] = FILES
    every_id: bool = False
    """Run by root: what is shown may belong to anyone, as uppers do, so no ids are shifted."""

    @classmethod
    def of(
        cls,
        *,
        readable: Sequence[str] = (),
        writable: Sequence[str] = (),
        hidden: Sequence[str] = (),
        capabilities: tuple[int, ...] = FILES,
        every_id: bool = False,
    ) -> "View":
        """Return a view in which everything lies at its own path."""
        shown = [Shown(path, path) for path in readable]
        shown += [Shown(path, path, writable=True) for path in writable]
        return cls(tuple(shown), tuple(hidden), capabilities, every_id)

    @property
    def ordered(self) -> tuple[Shown, ...]:
        """Return what is shown, so that nothing covers what came before."""
        return tuple(sorted(self.shown, key=lambda one: one.target.count("/")))


def call_confined(identity: Identity, view: View, function: Callable[..., T], *arguments: Any) -> T:
    """Return `function(*arguments)` as a confined child computes it. The result must be JSON values.

    An EnvforgeError or OSError that it raises is raised here too, any other exception as WorkerCrashError.
    """
    ours, theirs = os.pipe()

    def answer() -> None:
        write_all(theirs, outcome(function, *arguments))

    child = start(identity, view, answer, keep=(theirs,))
    os.close(theirs)
    try:
        with open(ours, "rb") as file:
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


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def start(identity: Identity, view: View, body: Callable[[], None], *, keep: Sequence[int] = ()) -> int:
    """Start a confined child that runs `body` and ends; return its pid once it is confined.

    `keep` are the descriptors that it keeps, besides the standard streams. It dies with this process. To be
    called by a single-threaded process. Raises CapabilityError or SandboxError where it cannot be made.
    """
    mapped = _maps(identity, view)
    seccomp.program(os.uname().machine, nested=False)  # now: a confined process cannot read its table
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    child = _clone()
    if child == 0:
        ours.close()
        _be_confined(view, theirs, body, keep, one_id=identity.held == "flat")
    theirs.close()
    with ours:
        try:
            _let_in(child, view, mapped, identity, ours)
        except BaseException:
            end(child)
            raise
    return child


def _clone() -> int:
    try:
        return syscalls.clone(_NAMESPACES)
    except OSError as error:
        raise advice.no_user_namespace(error) from error


def end(child: int) -> None:
    """End a confined child and all that it started, if they have not ended, and reap it."""
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
    """What is shown is mounted with the ids of the map."""


def _maps(identity: Identity, view: View) -> _Mapped:
    if identity.held == "true" and identity.run_uid_map != identity.uid_map and not view.every_id:
        places = tuple(sorted({one.source for one in view.shown}))
        if kernel_release() >= OVER_IDMAPPED and _all_idmappable(identity, places):
            return _Mapped(identity.run_uid_map, identity.run_gid_map, shifted=True)
    return _Mapped(identity.uid_map, identity.gid_map, shifted=False)


@cache
def _all_idmappable(identity: Identity, places: tuple[str, ...]) -> bool:
    return not not_idmappable(identity, list(places))


def _let_in(child: int, view: View, mapped: _Mapped, identity: Identity, channel: socket.socket) -> None:
    """Map the child's ids, give it the mounts that it cannot open itself, hear that it is confined."""
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
    step, number, path = said.decode(errors="surrogateescape").split("\n", 2)
    return advice.no_mount(OSError(int(number), os.strerror(int(number)), path or None), step)


def _be_confined(
    view: View, channel: socket.socket, body: Callable[[], None], keep: Sequence[int], *, one_id: bool
) -> NoReturn:
    code = _FAILED
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        syscalls.set_parent_death_signal(signal.SIGKILL)
        if _enter(view, channel, keep, one_id=one_id):
            body()
            code = 0
    finally:
        os._exit(code)


def _enter(view: View, channel: socket.socket, keep: Sequence[int], *, one_id: bool) -> bool:
    """Become confined and say so; on a refusal say which step it was."""
    step = ["being let in"]
    try:
        data, trees, _, _ = socket.recv_fds(channel, 2, len(view.shown) or 1)
        if data != b"go":
            return False  # the parent is gone, or could not map
        _take_ids(one_id=one_id)
        _close_all_but([*keep, *trees, channel.fileno()])
        for name in _steps(view, trees):
            step[0] = name
    except OSError as error:
        channel.sendall(f"{step[0]}\n{error.errno}\n{error.filename or ''}".encode(errors="surrogateescape"))
        return False
    channel.sendall(b"confined")
    channel.close()
    return True


def _take_ids(*, one_id: bool) -> None:
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    if not one_id:
        os.setgroups([])
    os.umask(0o022)
    syscalls.set_parent_death_signal(signal.SIGKILL)  # the change of ids has cleared it


def _close_all_but(kept: Sequence[int]) -> None:
    """Close what the host's side of the program had open: directories, sockets, other workers' channels."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    last = _STANDARD - 1
    for descriptor in sorted(kept):
        if descriptor > last + 1:
            syscalls.close_range(last + 1, descriptor - 1)
        last = max(last, descriptor)
    syscalls.close_range(last + 1)


def _steps(view: View, trees: Sequence[int]) -> Iterator[str]:
    """Leave the host, step by step; what is yielded says which one comes."""
    yield "a private mount namespace"
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.sethostname("localhost")
    yield "the device nodes"
    devices = mounts.open_devices()
    proc = os.open("/proc", os.O_PATH | os.O_CLOEXEC)
    yield "what the work may see"
    sources = [(one, trees[at] if trees else _opened(one)) for at, one in enumerate(view.ordered)]
    yield "an empty root"
    syscalls.mount("confined", _ROOT, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755,size=1m")
    for path in with_parents(["/dev", "/proc", *(os.path.dirname(one.target) for one, _ in sources)]):
        os.makedirs(_ROOT + path, 0o755, exist_ok=True)
    for one, tree in sources:
        yield f"{one.source} at {one.target}"
        _attach(one, tree)
    for path in view.hidden:
        mounts.mount_empty(_ROOT + path, read_only=True)
    for name, tree in devices:
        _attach(Shown("", f"/dev/{name}", writable=True), tree)
    yield "leaving the host"
    os.chdir(_ROOT)
    syscalls.pivot_root(".", ".")
    mounts.mount_proc(proc)
    os.close(proc)
    mounts.leave_host()
    yield "fewer privileges"
    syscalls.drop_bounding(view.capabilities)
    syscalls.set_capabilities(view.capabilities)
    if view.capabilities == FILES:
        syscalls.set_no_new_privileges()
    syscalls.set_parent_death_signal(signal.SIGKILL)  # the change of capabilities has cleared it


def _opened(one: Shown) -> int:
    return syscalls.open_tree(one.source, syscalls.OPEN_TREE_CLONE)


def _attach(one: Shown, tree: int) -> None:
    """Attach a detached mount, on a mount point of its kind that is made unless it is there."""
    if one.source:
        attributes = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
        attributes |= 0 if one.writable else syscalls.MOUNT_ATTR_RDONLY
        syscalls.mount_setattr(tree, attributes, recursive=False, path=one.source)
    point = _ROOT + one.target
    try:
        if os.fstat(tree).st_mode & 0o170000 == 0o040000:
            os.mkdir(point, 0o755)
        else:
            os.close(os.open(point, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except OSError as error:
        if error.errno not in {errno.EEXIST, errno.EROFS}:
            raise
    syscalls.move_mount(tree, point)
    os.close(tree)
