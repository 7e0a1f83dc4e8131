"""Overlay upper directories of running sandboxes: made on entry, removed by whoever outlives their owner.

    uppers/<name>/lock        flocked (shared) by the sandbox's parent and its PID 1 for as long as they live
    uppers/<name>/upper/      upperdir; becomes the root directory of the sandbox: 0755
    uppers/<name>/work/       workdir, overlay's own; its directories have mode 000
    uppers/kept-<name>/       one that is kept, see `life/kept.py`

The lock is a plain file: PID 1 holds its descriptor, and that of a directory would be a way out. A directory
whose lock can be taken exclusively has lost its owner. It is renamed into the trash before anything in it is
deleted, so that `kill -9` at any moment leaves debris in these two places only.
Loaded on the warm path.
"""

import os
from errno import EEXIST, ENOENT, ENOTEMPTY
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock

from envforge.kernel.removal import is_still_at, remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from envforge.sandbox.compiled import Plan


KEPT = "kept-"
"""Prefix of the names of kept uppers (`life/kept.py`); all others begin with a pid in hex."""

_OVERLAYS_OWN = ("work/work", "work/work/incompat", "work/work/incompat/volatile")
_OVERLAYS_MARK = "work/work/incompat/volatile/dirty"
"""What a volatile overlay leaves in its workdir (Linux, fs/overlayfs/super.c)."""


class Upper:
    """One upper directory and the descriptor of its lock, which says that it is in use."""

    __slots__ = ("descriptor", "kept", "name")

    def __init__(self, name: str, descriptor: int, *, kept: bool = False) -> None:
        self.name = name
        self.descriptor = descriptor
        self.kept = kept


def make(uppers: str, *, owner: "tuple[int, int] | None" = None) -> Upper:
    """Make and lock an upper directory of a fresh name; `owner`: ids of the sandbox's root on disk."""
    while True:
        name = f"{os.getpid():x}-{os.urandom(6).hex()}"
        path = f"{uppers}/{name}"
        os.mkdir(path, 0o700)
        descriptor = _lock(path)
        if descriptor >= 0:
            break
    for part in ("upper", "work"):
        os.mkdir(f"{path}/{part}", 0o755)
    os.chmod(f"{path}/upper", 0o755)  # noqa: S103  # whatever the caller's umask: it becomes the root directory
    if owner is not None:
        for part in ("upper", "work", "."):
            os.chown(f"{path}/{part}", *owner)
    return Upper(name, descriptor)


def keep(uppers: str, name: str, over: str, *, owner: "tuple[int, int] | None" = None) -> Upper:
    """Return the upper directory that is kept under a name, locked exclusively; made if there is none.

    `over` says what a new one lies over (`life/kept.py`). Raises BlockingIOError if another sandbox uses it,
    FileNotFoundError if it has just been removed.
    """
    path = f"{uppers}/{KEPT}{name}"
    if not os.path.isdir(path):
        _make_kept(uppers, path, over, owner)
    return Upper(f"{KEPT}{name}", lock_alone(path), kept=True)


def over_of(plan: "Plan") -> str:
    """Return what says over which layers, held in which way, a kept upper directory lies."""
    return "\n".join((plan["layers_directory"], *plan["layers"], ""))


def _make_kept(uppers: str, path: str, over: str, owner: "tuple[int, int] | None") -> None:
    """Make it under another name and rename it: it exists complete, or not at all."""
    made = make(uppers, owner=owner)
    try:
        with open(f"{uppers}/{made.name}/over", "wb", buffering=0) as file:
            file.write(os.fsencode(over))
        os.rename(f"{uppers}/{made.name}", path)
    except OSError as error:
        if error.errno not in (EEXIST, ENOTEMPTY):  # else another was quicker, and a sweep takes this one
            raise
    finally:
        os.close(made.descriptor)


def lock_alone(path: str) -> int:
    """Lock a kept upper directory exclusively; return the lock's descriptor. Raises as `keep` does."""
    lock = f"{path}/lock"
    descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
        if not is_still_at(descriptor, lock):
            raise FileNotFoundError(ENOENT, "has just been removed", lock)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _lock(path: str) -> int:
    """Return the locked descriptor of a new directory's lock, -1 if a sweep was quicker."""
    lock = f"{path}/lock"
    try:
        descriptor = _open_lock(lock)
    except FileNotFoundError:
        return -1
    flock(descriptor, LOCK_SH)
    if is_still_at(descriptor, lock):
        return descriptor
    os.close(descriptor)
    return -1


def _open_lock(lock: str) -> int:
    # Created by whoever opens it first: a directory whose maker died before that is swept like any other.
    return os.open(lock, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def remove(upper: Upper, uppers: str, trash: str, delete: "Callable[[str], None]") -> None:
    """Remove an upper directory whose sandbox has ended.

    `delete` gets a directory in the trash that this uid may not remove, as it has files of other ids.
    """
    try:
        throw_away(f"{uppers}/{upper.name}", f"{trash}/upper-{upper.name}", delete)
    finally:
        os.close(upper.descriptor)


def sweep(uppers: str, trash: str, delete: "Callable[[str], None]") -> None:
    """Remove every upper directory whose owner is gone, except kept ones; `delete` as for `remove`."""
    for name in os.listdir(uppers):
        if name.startswith(KEPT):
            continue
        path = f"{uppers}/{name}"
        try:
            descriptor = _open_lock(f"{path}/lock")
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
            if is_still_at(descriptor, f"{path}/lock"):
                throw_away(path, f"{trash}/upper-{name}", delete)
        except BlockingIOError:
            continue  # in use
        finally:
            os.close(descriptor)


def throw_away(path: str, trashed: str, delete: "Callable[[str], None]") -> None:
    """Rename an upper directory into the trash, then delete it there."""
    try:
        os.rename(path, trashed)
    except FileNotFoundError:
        return  # somebody else swept it
    try:
        if not _remove_unused(trashed):
            remove_tree(trashed)
    except OSError:
        delete(trashed)


def _remove_unused(path: str) -> bool:
    """Remove an upper directory that nothing was written to; say whether it was one.

    A few calls instead of fifty: most commands leave one. What they leave of another is as good as it was.
    """
    try:
        os.rmdir(f"{path}/upper")
        for name in _OVERLAYS_OWN:
            os.chmod(f"{path}/{name}", 0o700)
        os.unlink(f"{path}/{_OVERLAYS_MARK}")
        os.unlink(f"{path}/lock")
        for name in (*reversed(_OVERLAYS_OWN), "work", ""):
            os.rmdir(f"{path}/{name}")
    except OSError:
        return False
    return True
