"""A process with its standard streams, and descriptors that go from one to another.

Opening /proc/self/fd/0 reopens a file on stdin, for writing too if the payload's user owns it. So the payload
gets such a file through a read-only mount. The caller's own descriptors stay as they are: others may use them
meanwhile. Loaded on the warm path.
"""

import os
from errno import EISDIR, ENOENT
from fcntl import F_DUPFD_CLOEXEC, F_GETFL, fcntl

from envforge.kernel import init, processes, syscalls

STANDARD = (0, 1, 2)
_PIECE = 1 << 16
_FEW = 200  # descriptors a message; the kernel takes 253 (unix(7))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket


class Streams:
    """The three descriptors that become the payload's standard streams, as its parent P has them."""

    __slots__ = ("descriptors", "left_to_first", "own", "pouring")

    def __init__(self, descriptors: "tuple[int, int, int]", *, for_first: bool = True) -> None:
        """Replace a file on stdin. Raises OSError for a directory, which leads to the host's root.

        `for_first`: a sandbox's PID 1 takes the streams before the root changes, and can make that mount.
        """
        self.descriptors = descriptors
        self.own = -1
        """The descriptor that replaces stdin, to be closed once C has it; -1 for none."""
        self.pouring = 0
        """The pid of a process that fills a pipe from the file, 0 if there is none."""
        self.left_to_first = False
        """Stdin is a file that C, which can mount, has to protect."""
        if is_file_to_read(descriptors):
            self._guard(for_first=for_first)

    def _guard(self, *, for_first: bool) -> None:
        given = self.descriptors[0]
        # Root does it here, where it can reach the file by its path.
        if os.geteuid() == 0:
            try:
                self.own = protected(given)
            except OSError:
                self.own, self.pouring = _pour(given)
        elif for_first and _has_a_name(given):
            self.left_to_first = True
        else:
            self.own, self.pouring = _pour(given)
        if self.own >= 0:
            self.descriptors = (self.own, *self.descriptors[1:])

    def take(self) -> None:
        """In C or another child: make them 0, 1 and 2."""
        if self.descriptors == STANDARD:
            return
        kept = []
        for descriptor in self.descriptors:
            try:
                kept.append(fcntl(descriptor, F_DUPFD_CLOEXEC, 3))
            except OSError:
                kept.append(-1)  # closed by the caller
        for number, descriptor in enumerate(kept):
            if descriptor >= 0:
                os.dup2(descriptor, number)
                os.close(descriptor)
            else:
                syscalls.close_range(number, number)

    def terminal(self) -> bool:
        """Say whether one of them is a terminal."""
        return any(os.isatty(descriptor) for descriptor in self.descriptors)

    def close(self) -> None:
        """In P: close the descriptor that replaced stdin."""
        if self.own >= 0:
            os.close(self.own)
            self.own = -1


def is_file_to_read(descriptors: "tuple[int, int, int]") -> bool:
    """Say whether the first, stdin, is a regular file, opened for reading only.

    Raises OSError if a stream is a directory, which leads to the host's root.
    """
    found = False
    for number, descriptor in enumerate(descriptors):
        try:
            mode = os.fstat(descriptor).st_mode & 0o170000
        except OSError:
            continue  # closed by the caller
        if mode == 0o040000:
            raise OSError(EISDIR, os.strerror(EISDIR), os.readlink(f"/proc/self/fd/{descriptor}"))
        if number == 0 and mode == 0o100000:
            found = fcntl(descriptor, F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    return found


def _has_a_name(descriptor: int) -> bool:
    """Say whether an open file can be opened by its path: it may be unlinked, or not readable for us."""
    path = os.readlink(f"/proc/self/fd/{descriptor}")
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor)) and os.access(path, os.R_OK)
    except OSError:
        return False


def protect_own_input() -> None:
    """In C, while the host's tree is the root: put the file on stdin behind a read-only mount."""
    file = protected(0)
    os.dup2(file, 0)
    os.close(file)


def protected(descriptor: int) -> int:
    """Return a descriptor of the same file behind a read-only mount, at the same offset."""
    path = os.readlink(f"/proc/self/fd/{descriptor}")
    tree = syscalls.open_tree(path, syscalls.OPEN_TREE_CLONE)
    try:
        syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_RDONLY, recursive=False, path=path)
        file = os.open(f"/proc/self/fd/{tree}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(tree)
    if not os.path.samestat(os.fstat(file), os.fstat(descriptor)):
        os.close(file)
        raise OSError(ENOENT, os.strerror(ENOENT), path)
    os.lseek(file, os.lseek(descriptor, 0, os.SEEK_CUR), os.SEEK_SET)
    return file


def _pour(descriptor: int) -> "tuple[int, int]":
    """Return a pipe, and the pid of a child that fills it from the file.

    For a file that has no name, as a shell's here-document. The child ends when the pipe has no reader.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            processes.set_parent_death_signal(9)
            syscalls.close_others({descriptor, write})
            while piece := os.read(descriptor, _PIECE):
                while piece:
                    piece = piece[os.write(write, piece) :]
        finally:
            os._exit(0)
    os.close(write)
    return read, child


def give_pipes(given: "Streams", owner: "tuple[int, int]") -> None:
    """Make the payload the owner of the pipes it gets as standard streams, so that it can open /dev/stdout.

    As runc does, but for pipes only: they have no name, so nothing is left behind on disk.
    """
    for descriptor in given.descriptors:
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith("pipe:"):
                os.fchown(descriptor, *owner)
        except FileNotFoundError:
            continue  # closed by the caller


def send(channel: "socket", flags: bytes, descriptors: "list[int]") -> None:
    """Send descriptors, and a byte for each flag."""
    from _socket import SCM_RIGHTS, SOL_SOCKET  # noqa: PLC0415  # loaded already where there is a socket

    for start in range(0, len(descriptors), _FEW):
        part = descriptors[start : start + _FEW]
        packed = b"".join(number.to_bytes(4, "little") for number in part)
        more = start + _FEW < len(descriptors)
        channel.sendmsg([b"+" if more else b"." + flags], [(SOL_SOCKET, SCM_RIGHTS, packed)])


def receive(channel: "socket", flags: int) -> "tuple[bytes, list[int]] | None":
    """Return the flags (that many) and descriptors of one `send`; None if the other end is gone."""
    found: list[int] = []
    while True:
        data, messages, _, _ = channel.recvmsg(1, 16 + 4 * _FEW + 8, 0)
        if not data:
            return None
        for _, _, packed in messages:
            found += [int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4)]
        if data == b".":
            break
    present = b""
    while len(present) < flags:
        piece = channel.recv(flags - len(present))
        if not piece:
            return None
        present += piece
    return present, found


class Child:
    """A process that this one started and has to wait for, once, with `wait` or `attend`."""

    __slots__ = ("_pidfd", "carrier", "code", "pid", "streams")

    def __init__(self) -> None:
        self.pid = 0  # on the host
        self.code: int | None = None  # the exit code, once it has ended
        self.streams: Streams | None = None
        self.carrier = 0
        """The pid of the relay of its own terminal; 0 if it shares the caller's."""
        self._pidfd = -1

    @property
    def pidfd(self) -> int:
        """Its pidfd, to be polled, and to send signals to."""
        if self._pidfd < 0:
            self._pidfd = os.pidfd_open(self.pid)
        return self._pidfd

    def ended(self, code: int) -> int:
        """Note the exit code, clean up, and return the code."""
        self.code = code
        self.close()
        return code

    def close(self) -> None:
        """Clean up after it has ended or failed to start: helper processes and the pidfd."""
        for helper in (self.carrier, self.streams.pouring if self.streams is not None else 0):
            if helper:
                init.wait(helper)  # it ends once nobody can read any more
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


def wait(started: Child) -> int:
    """Wait until the child has ended; returns its exit code (a sandbox's payload's). In any thread, once."""
    return started.ended(init.exit_code(os.waitpid(started.pid, 0)[1]))


def attend(started: Child) -> int:
    """Wait likewise, and forward this process's signals, which the caller has blocked by `init.block`."""
    alone = processes.is_alone()
    return started.ended(init.attend(started.pid, shares_terminal=not started.carrier, is_alone=alone))
