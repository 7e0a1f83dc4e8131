"""A fork into new namespaces that is safe whatever threads the process has."""

import os

from envforge.kernel import syscalls

_LINKS_OF_ONE_THREAD = 3


def clone(flags: int) -> int:
    """Make a process as fork does, in the new namespaces that `flags` name: 0 in the child, its pid here.

    The C library may hold a lock for another thread, which would be held in the child for ever; a thread
    that was joined can still be on its way out with one. Only fork frees them: where there are other threads,
    a forked process, which has none, makes the child in this one's name. Raises OSError.
    """
    if is_alone():
        return syscalls.clone(flags)
    told, tell = os.pipe()
    try:
        between = os.fork()
    except OSError:
        os.close(told)
        os.close(tell)
        raise
    if between == 0:
        try:
            child = syscalls.clone(flags | syscalls.CLONE_PARENT)
        except OSError as error:
            child = -(error.errno or 1)
        if child != 0:
            os.write(tell, str(child).encode())
            os._exit(0)
    os.close(tell)
    if between == 0:
        os.close(told)
        return 0
    with open(told, "rb") as answer:
        child = int(answer.read() or "-1")
    os.waitpid(between, 0)
    if child < 0:
        raise OSError(-child, os.strerror(-child))
    return child


def is_alone() -> bool:
    """Say whether this process has a single thread."""
    return os.stat("/proc/self/task").st_nlink == _LINKS_OF_ONE_THREAD
