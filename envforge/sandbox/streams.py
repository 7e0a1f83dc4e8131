"""Standard streams that are files: what a payload may do with them beyond what the caller opened them for.

/proc/self/fd/0 opens a file anew, for writing too where its owner runs the payload. So a file on stdin is
seen through a read-only mount of it. Loaded on the warm path.
"""

import os
from errno import EISDIR, ENOENT
from fcntl import F_GETFL, fcntl

from envforge.kernel import syscalls

_STANDARD_INPUT = "/proc/self/fd/0"
_PIECE = 1 << 16


def is_file_to_read() -> bool:
    """Say whether stdin is a regular file, opened for reading only.

    Raises OSError where a stream is a directory: from there a way leads to the host's root.
    """
    found = False
    for descriptor in (0, 1, 2):
        try:
            mode = os.fstat(descriptor).st_mode & 0o170000
        except OSError:
            continue  # closed by the caller
        if mode == 0o040000:
            raise OSError(EISDIR, os.strerror(EISDIR), os.readlink(f"/proc/self/fd/{descriptor}"))
        if descriptor == 0 and mode == 0o100000:
            found = fcntl(0, F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    return found


def guard_input() -> int:
    """In P: replace the file on stdin, or leave it to C, which may mount.

    Returns the pid of a child that fills a pipe from it, 0 where there is none, -1 where it is left to C.
    Root does it here, where no directory on the way is closed to it.
    """
    if os.geteuid() == 0:
        try:
            protect_input()
        except OSError:
            return _pour()
        return 0
    return -1 if _has_a_name() else _pour()


def _has_a_name() -> bool:
    """Say whether stdin can be opened by its name: it may have been removed, or be somebody else's."""
    path = os.readlink(_STANDARD_INPUT)
    try:
        return os.path.samestat(os.stat(path), os.fstat(0)) and os.access(path, os.R_OK)
    except OSError:
        return False


def protect_input() -> None:
    """While the host's tree is the root: put the file on stdin behind a read-only mount.

    It is read on from where the caller has come to.
    """
    path = os.readlink(_STANDARD_INPUT)
    tree = syscalls.open_tree(path, syscalls.OPEN_TREE_CLONE)
    syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY, recursive=False, path=path)
    file = os.open(f"/proc/self/fd/{tree}", os.O_RDONLY | os.O_CLOEXEC)
    if not os.path.samestat(os.fstat(file), os.fstat(0)):
        raise OSError(ENOENT, os.strerror(ENOENT), path)
    os.lseek(file, os.lseek(0, 0, os.SEEK_CUR), os.SEEK_SET)
    os.dup2(file, 0)
    os.close(file)
    os.close(tree)


def _pour() -> int:
    """Put a pipe in stdin's place, which a child fills from the file; returns the child's pid.

    For a file that has no name, as a shell's here-document. The child ends where nobody can read any more.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            syscalls.set_parent_death_signal(9)
            while piece := os.read(0, _PIECE):
                while piece:
                    piece = piece[os.write(write, piece) :]
        finally:
            os._exit(0)
    os.close(write)
    os.dup2(read, 0)
    os.close(read)
    return child
