"""The cgroup of a sandbox: made before its payload runs, removed once it has ended.

    BASE/<parent>-<first>   the pids, in hex, of the sandbox's parent and of its PID 1: one in each hierarchy
                            of version 1, a single one with version 2. Once the parent is gone, whoever comes
                            next removes it

Which bases there are and what is written below them was decided when the plan was compiled (`limits/`). A
sandbox without limits of its own begins without a cgroup: to move a process into one takes an RCU grace
period, some 10 ms.
"""

import os
from errno import EACCES, EBUSY, EINVAL, ENODEV, ENOENT, EPERM

from envforge.sandbox.record import cgroup_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from envforge.sandbox.compiled import Cgroup

STEP = "the sandbox's cgroup"
"""What an error names that makes a start fail."""

_BLOCK_DEVICES = "/sys/block"
_NOT_DISKS = ("ram", "zram", "sr", "fd")
_UNPREPARED = (ENOENT, ENODEV, EACCES, EPERM)
"""No base; one that is just being removed; processes that only systemd can move."""
_TRIES = 50
_PAUSE_S = 0.002


class LimitRefusedError(OSError):
    """The kernel refuses a limit; `filename` is the file of the cgroup."""


def start(
    limits: "Cgroup", pid: int, prepare: "Callable[[Iterable[str], Iterable[int]], None]"
) -> "tuple[str, ...]":
    """Make the cgroup of a sandbox whose PID 1 is `pid`; return its directories, none where none can be had.

    `prepare` makes missing bases, and brings processes to where they can be moved from. Raises OSError, and
    leaves nothing behind then.
    """
    if not limits["bases"]:
        return ()
    name = cgroup_name(os.getpid(), pid)
    try:
        return make(limits, name, pid)
    except OSError as error:
        if error.errno not in _UNPREPARED:
            raise
        prepare(limits["bases"], (os.getpid(), pid))
        return make(limits, name, pid)


def existing(limits: "Cgroup", pid: int) -> "tuple[str, ...]":
    """Return the directories of the cgroup of the sandbox with that PID 1, from any process of its user."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            parent = int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return ()
    name = cgroup_name(parent, pid)
    paths = (f"{base}/{name}" for base in (*limits["bases"], *limits["others"]))
    return tuple(path for path in paths if os.path.isdir(path))


def end(limits: "Cgroup", pid: int, sweep: "Callable[[], None]") -> None:
    """Remove the cgroup of a sandbox that has ended, if any; `sweep` removes those that crashed ones left."""
    bases = (*limits["bases"], *limits["others"])
    name = cgroup_name(os.getpid(), pid)
    remove(f"{base}/{name}" for base in bases)
    if bases and stale(bases[0]):
        sweep()


def make(limits: "Cgroup", name: str, pid: int) -> "tuple[str, ...]":
    """Make the cgroup with its limits and move a process into it; return its directories.

    Raises OSError; nothing is left then.
    """
    made: list[str] = []
    try:
        for base in limits["bases"]:
            made.append(f"{base}/{name}")
            try:
                os.mkdir(made[-1])
            except FileExistsError:  # of a sandbox long ago, whose pids were the same
                os.rmdir(made[-1])
                os.mkdir(made[-1])
        for number, file, text in limits["writes"]:
            write(f"{made[number]}/{file}", text)
        for number, file, text in limits["disks"]:
            for device in disks():
                write(f"{made[number]}/{file}", text.replace("*", device))
        move(made, pid)
    except OSError:
        remove(made)
        raise
    return tuple(made)


def thaw(limits: "Cgroup", pid: int) -> None:
    """Let the processes of a paused sandbox go on: frozen by version 1, they do not even take SIGKILL."""
    name = cgroup_name(os.getpid(), pid)
    for path in (f"{base}/{name}" for base in (*limits["bases"], *limits["others"])):
        for file, text in (("cgroup.freeze", "0"), ("freezer.state", "THAWED")):
            if os.path.exists(f"{path}/{file}"):
                write(f"{path}/{file}", text)


def move(paths: "Iterable[str]", pid: int) -> None:
    """Move a process (0: this one) into a cgroup."""
    for path in paths:
        write(f"{path}/cgroup.procs", str(pid))


def write(path: str, text: str) -> None:
    """Write a file of a cgroup, in one piece. Raises LimitRefusedError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LimitRefusedError(error.errno or EINVAL, os.strerror(error.errno or EINVAL), path) from None


def remove(paths: "Iterable[str]") -> bool:
    """Remove a cgroup whose processes have ended or are about to; say whether it is gone."""
    gone = True
    for path in paths:
        gone = _remove(path) and gone
    return gone


def _remove(path: str) -> bool:
    for _ in range(_TRIES):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno != EBUSY:
                return False
        else:
            return True
        from time import sleep  # noqa: PLC0415  # a process that had joined is about to end

        sleep(_PAUSE_S)
    return False


def stale(base: str) -> "list[str]":
    """Return the names of cgroups whose sandbox's parent is gone."""
    try:
        names = os.listdir(base)
    except OSError:
        return []
    return [name for name in names if _owner(name) and not os.path.exists(f"/proc/{_owner(name)}")]


def _owner(name: str) -> int:
    """Return the pid in a cgroup's name, 0 for a file of the kernel's."""
    pid, dash, identifier = name.partition("-")
    if not dash or not identifier.isalnum():
        return 0
    try:
        return int(pid, 16)
    except ValueError:
        return 0


def oom_kills(limits: "Cgroup", pid: int) -> int:
    """Return how many of a sandbox's processes the kernel has killed for want of memory."""
    own = cgroup_name(os.getpid(), pid)
    for path in (f"{base}/{own}" for base in (*limits["bases"], *limits["others"])):
        for name in ("memory.events", "memory.oom_control"):
            try:
                with open(f"{path}/{name}", "rb", buffering=0) as file:
                    return numbers(file.read())[b"oom_kill"]
            except (OSError, KeyError):
                continue
    return 0


def out_of_memory(limits: "Cgroup", kills: int) -> str:
    """Return what is told when memory ran out."""
    processes = "a process was" if kills == 1 else f"{kills} processes were"
    limit = f"the limit is {limits['memory'] / 1048576:.0f} MiB"
    return (
        f"{processes} killed for want of memory: {limit if limits['memory'] else 'the machine had none left'}"
    )


def numbers(data: bytes) -> "dict[bytes, int]":
    """Return the values of a cgroup's file whose lines have a name and a number."""
    pairs = (line.split() for line in data.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def disks() -> "Iterator[str]":
    """Yield the numbers, `major:minor`, of the machine's whole disks, those that hold nothing left out."""
    for name in os.listdir(_BLOCK_DEVICES):
        if name.startswith(_NOT_DISKS):
            continue
        try:
            with open(f"{_BLOCK_DEVICES}/{name}/size", "rb", buffering=0) as file:
                is_empty = int(file.read()) == 0
            with open(f"{_BLOCK_DEVICES}/{name}/dev", encoding="ascii") as file:
                number = file.read().strip()
        except OSError as error:
            if error.errno == ENOENT:
                continue  # it has just been unplugged
            raise
        if not is_empty:
            yield number
