"""The child's side of `confine.py`: it confines itself, step by step, and runs its job.

Nothing may be imported late here: the modules are on the host.
"""

import errno
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NoReturn

from envforge.kernel import processes, syscalls
from envforge.kernel.interrupts import heed
from envforge.sandbox import mounts
from envforge.sandbox.binds import with_parents
from envforge.sandbox.confined.view import FILES, Shown, View
from envforge.sandbox.payload import RefusedError

_ROOT: Final = mounts.SCRATCH
_FAILED: Final = 125
_STANDARD: Final = 3


def become(
    view: View, channel: socket.socket, body: Callable[[], None], keep: Sequence[int], *, one_id: bool
) -> NoReturn:
    """Be the child: leave the host, say so over `channel`, run `body`, end."""
    code = _FAILED
    try:
        heed()
        processes.set_parent_death_signal(signal.SIGKILL)
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
        close_all_but([*keep, *trees, channel.fileno()])
        for name in _steps(view, trees):
            step[0] = name
    except OSError as error:
        channel.sendall(RefusedError(step[0], error).to_bytes())
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
    processes.set_parent_death_signal(signal.SIGKILL)  # the change of ids has cleared it


def close_all_but(kept: Sequence[int]) -> None:
    """Close all inherited descriptors but `kept`: directories, sockets, other workers' channels, locks.

    Stdin becomes /dev/null. A flock is held as long as any process has a copy of its descriptor.
    """
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    last = _STANDARD - 1
    for descriptor in sorted(kept):
        if descriptor > last + 1:
            syscalls.close_range(last + 1, descriptor - 1)
        last = max(last, descriptor)
    syscalls.close_range(last + 1)


def _steps(view: View, trees: Sequence[int]) -> Iterator[str]:
    """Leave the host step by step; yield the name of each step before it is done."""
    yield "a private mount namespace"
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    processes.sethostname("localhost")
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
    processes.drop_bounding(view.capabilities)
    processes.set_capabilities(view.capabilities)
    if view.capabilities == FILES:
        processes.set_no_new_privileges()
    processes.set_parent_death_signal(signal.SIGKILL)  # the change of capabilities has cleared it


def _opened(one: Shown) -> int:
    return syscalls.open_tree(one.source, syscalls.OPEN_TREE_CLONE)


def _attach(one: Shown, tree: int) -> None:
    """Attach a detached mount at its target; make a mount point of its kind unless there is one."""
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
