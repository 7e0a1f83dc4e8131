"""The payload of a sandbox, from its clone to its exec: ids, privileges, filter, descriptors.

Loaded on the warm path: it imports nothing but `os`, `sys` and `kernel/`. Nothing may be imported late here,
nor in any code that C and D run: once the root has changed, the modules are out of reach.
"""

import os
import sys

from envforge.kernel import init, processes, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import NoReturn

    from envforge.sandbox.compiled import Plan

CANNOT_EXECUTE = 126
NOT_FOUND = 127

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INTERPRETERS = 5  # as deep as the kernel follows `#!` lines
_ELOOP = 40
_SIGKILL = 9


class RefusedError(Exception):
    """The sandbox cannot be made. `step` says what failed, `error` why."""

    def __init__(self, step: str, error: OSError) -> None:
        super().__init__(f"{step}: {error}")
        self.step = step
        self.error = error

    def to_bytes(self) -> bytes:
        """Return it for a pipe, from which another process makes it anew by `from_bytes`."""
        error = self.error
        return f"{self.step}\n{error.errno}\n{error.filename or ''}".encode(errors="surrogateescape")

    @classmethod
    def from_bytes(cls, data: bytes) -> "RefusedError":
        """Return the one that `to_bytes` wrote."""
        step, number, path = data.decode(errors="surrogateescape").split("\n", 2)
        return cls(step, OSError(int(number), os.strerror(int(number)), path or None))


class Payload:
    """What to run: the command, its whole environment, its directory and its signal mask."""

    __slots__ = ("adopt", "command", "cwd", "ends_with_parent", "environment", "mask", "told", "umask")

    def __init__(
        self,
        command: "list[str]",
        environment: "dict[str, str]",
        cwd: str,
        mask: "Iterable[int] | None" = None,
    ) -> None:
        self.command = command
        self.environment = environment
        self.cwd = cwd
        self.mask = mask
        """None for the mask of the thread that starts it."""
        self.umask = 0o022
        """Set by the process that starts the payload, to the one that it inherited."""
        self.adopt: Callable[[], None] | None = None
        """Called by the payload to make a terminal inside its controlling one, or to lead on the caller's."""
        self.ends_with_parent = False
        """For a payload that joins a sandbox; others end with PID 1."""
        self.told = -1
        """A pipe, closed by exec, to which the exit code is written if there is none; -1: nobody asks."""


def start(plan: "Plan", payload: Payload) -> "tuple[int, int]":
    """Clone the payload; returns its pid, and the pipe on which it waits for `go`.

    Before that it runs nothing of the environment's: PID 1, from which it is cloned, has to harden itself.
    """
    nested = plan["nested"]
    go_read, go_write = os.pipe()
    name_read, name_write = os.pipe()
    child = processes.clone_alone(0 if nested is None else processes.CLONE_NEWUSER)
    if child == 0:
        os.close(go_write)
        if nested is not None:
            # Its pid in this /proc: another one than `child` if the outer container's proc is bound.
            os.write(name_write, os.readlink("/proc/self").encode())
        if os.read(go_read, 2) != b"go":
            os._exit(CANNOT_EXECUTE)
        become(plan, payload)
    os.close(name_write)
    if nested is not None:
        map_ids(os.read(name_read, 16).decode(), *nested)
    return child, go_write


def map_ids(process: str, uid_map: str, gid_map: str, *, deny_groups: bool = False) -> None:
    """Write the id maps of the user namespace of a process (`self` or its number)."""
    if deny_groups:
        _write(f"/proc/{process}/setgroups", "deny")
    _write(f"/proc/{process}/gid_map", gid_map)
    _write(f"/proc/{process}/uid_map", uid_map)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def become(plan: "Plan", payload: Payload) -> "NoReturn":
    """Turn this process into the payload. If that fails, end it with Docker's exit codes."""
    code = CANNOT_EXECUTE
    try:
        processes.set_dumpable(0)  # until exec: this is still the host's Python, with PID 1's descriptors
        if payload.adopt is not None:
            payload.adopt()
        restrict(plan)
        if payload.ends_with_parent:
            processes.set_parent_death_signal(_SIGKILL)  # the change of ids would clear it
        os.umask(payload.umask)
        if change_directory(payload.cwd, payload.told):
            init.restore(payload.mask or ())
            code = execute(payload.command, payload.environment, plan["last_filter"])
    except OSError as error:
        say(f"cannot give up privileges: {error}")
    except BaseException:  # noqa: BLE001  # a bug: it may not unwind into the parent's frames, but it is shown
        show_bug()
    finally:
        if payload.told >= 0:
            os.write(payload.told, str(code).encode())
        os._exit(code)


def change_directory(path: str, told: int = -1) -> bool:
    """Close all descriptors but the standard streams (and `told`), change to `path`; say so if that fails.

    In this order and without magic links, so that /proc/self/fd/N leads to no directory of the host
    (CVE-2024-21626).
    """
    syscalls.close_others(() if told < 0 else (told,))
    try:
        resolve = syscalls.RESOLVE_NO_MAGICLINKS
        descriptor = syscalls.open_resolved(path, os.O_PATH | os.O_DIRECTORY, resolve)
        os.fchdir(descriptor)
        os.close(descriptor)
    except OSError as error:
        say(f"cannot start in {path}: {error.strerror}")
        return False
    return True


def restrict(plan: "Plan") -> None:
    """Take on the payload's ids and give up all other privileges, in the order that the kernel requires."""
    processes.drop_bounding(plan["bounding"])
    if plan["no_new_privileges"]:
        processes.set_no_new_privileges()
    processes.restrict_scopes(plan["scopes"])
    if plan["seccomp"]:
        processes.set_seccomp(plan["seccomp"])  # needs no_new_privs or CAP_SYS_ADMIN, so before the rest
    if plan["credentials"] is not None:
        uid, gid, groups = plan["credentials"]
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    processes.set_capabilities(plan["capabilities"])


def make_runtime(plan: "Plan") -> None:
    """Make the payload's runtime directory (XDG_RUNTIME_DIR) with the directories and files of the plan.

    All belong to the payload's user, 0700 and 0600, as the XDG base directory specification and GnuPG ask.
    """
    owner = plan["credentials"]
    for path in ("/run/user", plan["runtime"], *plan["runtime_directories"]):
        os.mkdir(path, 0o755 if path == "/run/user" else 0o700)
    for path, content in plan["runtime_files"]:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.write(descriptor, content)
        os.close(descriptor)
    if owner is not None:
        for path in (
            plan["runtime"],
            *plan["runtime_directories"],
            *(name for name, _ in plan["runtime_files"]),
        ):
            os.chown(path, owner[0], owner[1])
    if plan["relay"] is not None:
        plan["relay"].open_inside(owner and owner[:2])


def execute(command: "list[str]", environment: "dict[str, str]", last_filter: bytes = b"") -> int:
    """Replace this process by the command; returns the exit code to end with if that fails.

    Finds a bare name on the PATH of `environment`, as execvpe does. `last_filter` is installed right before
    exec.
    """
    name = command[0]
    candidates = [name]
    if "/" not in name:
        places = environment.get("PATH", _PATH).split(":")
        candidates = [f"{place or '.'}/{name}" for place in places]
    refusals: list[OSError] = []
    checked: Iterable[str] = _without_magic_links(candidates, refusals)
    if last_filter:
        checked = list(checked)  # now: the filter refuses the system call that checks them
        processes.set_seccomp(last_filter)
    for candidate in checked:
        try:
            os.execve(candidate, command, environment)  # noqa: S606  # no shell is wanted
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            refusals.append(error)
    if refusals:
        say(f"{name}: {refusals[0].strerror}")
        return CANNOT_EXECUTE
    say(f"{name}: not found in this environment")
    return NOT_FOUND


def _without_magic_links(paths: "Iterable[str]", refusals: "list[OSError]") -> "Iterator[str]":
    """Yield the paths that exist and go through no magic link; other errors are added to `refusals`."""
    for path in paths:
        try:
            refuse_magic_links(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            refusals.append(error)
        else:
            yield path


def refuse_magic_links(path: str) -> None:
    """Raise OSError if `path` goes through a magic link: /proc/self/exe would run the host's Python.

    Interpreters in `#!` lines are checked too, as `#!/proc/self/exe` does the same (CVE-2019-5736).
    """
    for _ in range(_INTERPRETERS):
        descriptor = syscalls.open_resolved(path, os.O_PATH, syscalls.RESOLVE_NO_MAGICLINKS)
        os.close(descriptor)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError:
            return  # executable but not readable: no script
        try:
            line = os.read(descriptor, 256).split(b"\n")[0]
        finally:
            os.close(descriptor)
        words = line[2:].split()
        if not line.startswith(b"#!") or not words:
            return
        path = os.fsdecode(words[0])
    raise OSError(_ELOOP, os.strerror(_ELOOP), path)


def say(text: str, descriptor: int = 2) -> None:
    """Tell the user something, mostly why the payload could not be started."""
    os.write(descriptor, f"envforge: {text}\n".encode(errors="surrogateescape"))


def show_bug() -> None:
    """Print the traceback of an exception that is a bug, not a refusal of the kernel's."""
    kind, error, traceback = sys.exc_info()
    if kind is not None and error is not None:
        sys.excepthook(kind, error, traceback)  # nothing can be imported any more once the root has changed
