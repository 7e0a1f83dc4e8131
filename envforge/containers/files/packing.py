"""Packs a file or a directory into a tar stream: the sending end of `cp`, on either side.

The tree may change under its hands, and be hostile: links are not followed, nothing but regular files is
opened, names and numbers are bounded. It needs no /proc, and imports nothing late.
"""

import errno
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from typing import Any, Final

from envforge.containers.files.places import Place
from envforge.errors import ArchiveError, ConflictError, NotFoundError
from envforge.kernel import syscalls
from envforge.kernel.reading import NOTHING, ReadTree
from envforge.whole_file import write_all

_MEMBERS_MAX: Final = 1 << 20
_NAMED_MAX: Final = 20
"""How many of those that are left out are named."""
_SHOWN_MAX: Final = 200
_PATH_MAX: Final = 4000
"""A little less than the kernel takes: the target has a path, too."""
_PIECE: Final = 1 << 20
_BLOCK: Final = 512
_TIME_MAX: Final = (1 << 33) - 1
_KERNELS_OWN: Final = ("/proc", "/sys", "/sys/fs/cgroup")
_IN_ROOT: Final = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS

Number = Callable[[int], int]
"""Translates a uid or gid, as this side has it, to what the archive shall say."""


def pack(target: int, source: Place, follow: bool, uid_of: Number, gid_of: Number) -> dict[str, Any]:  # noqa: FBT001
    """Write the archive to the descriptor `target`; return what was left out.

    The first member is the source under its own name, `.` where what is in it is meant. Its own link is
    followed on demand, those below it never. Raises NotFoundError, ConflictError, OSError.
    """
    packer = _Packer(target, uid_of, gid_of)
    with ReadTree("/") as root:
        packer.avoid(root)
        top = _look(root, source, follow=follow or source.directory)
        try:
            status = os.fstat(top)
            if stat.S_ISDIR(status.st_mode):
                _pack_directory(packer, root, source)
            else:
                _pack_one(packer, root, source, top, status)
        finally:
            os.close(top)
    packer.finish()
    return {"left_out": packer.left_out, "left_out_count": packer.left_out_count}


def _look(root: ReadTree, source: Place, *, follow: bool) -> int:
    try:
        found = root.look(source.path, follow=follow)
    except OSError as error:
        if error.errno in NOTHING:
            raise NotFoundError(f"there is no {source.path}") from None
        raise
    if source.directory and not stat.S_ISDIR(os.fstat(found).st_mode):
        os.close(found)
        raise ConflictError(f"{source.path} is no directory", hint="write it without the slash at its end")
    return found


def _pack_one(packer: "_Packer", root: ReadTree, source: Place, top: int, status: os.stat_result) -> None:
    name = os.fsencode(source.name)
    if stat.S_ISLNK(status.st_mode):
        packer.link(name, status, os.readlink(b"", dir_fd=top))
        return
    if not stat.S_ISREG(status.st_mode):
        raise ConflictError(
            f"{source.path} is neither file, directory nor link",
            hint="a pipe, a socket or a device is not copied",
        )
    packer.refuse_kernels_own(status, source.path)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
    file = syscalls.open_resolved(source.path, flags, _IN_ROOT, directory=root.descriptor)
    try:
        if not os.path.samestat(status, os.fstat(file)):
            raise ConflictError(f"{source.path} was replaced meanwhile", hint="try again")
        packer.file(name, status, file)
    finally:
        os.close(file)


def _pack_directory(packer: "_Packer", root: ReadTree, source: Place) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY
    descriptor = syscalls.open_resolved(source.path, flags, _IN_ROOT, directory=root.descriptor)
    with ReadTree.of(descriptor, source.path) as tree:
        packer.refuse_kernels_own(os.fstat(descriptor), source.path)
        packer.tree(tree, os.fsencode(source.name))


class _Packer:
    def __init__(self, target: int, uid_of: Number, gid_of: Number) -> None:
        self._target = target
        self._uid_of = uid_of
        self._gid_of = gid_of
        self._links: dict[tuple[int, int], bytes] = {}
        """Names of files that have several."""
        self._avoided: set[int] = set()
        self.left_out: list[str] = []
        self.left_out_count = 0

    def avoid(self, root: ReadTree) -> None:
        """Note which file systems are the kernel's own: what they show are no files to copy."""
        top = os.fstat(root.descriptor).st_dev
        found = (root.stat(path) for path in _KERNELS_OWN)
        self._avoided = {status.st_dev for status in found if status is not None} - {top}

    def refuse_kernels_own(self, status: os.stat_result, path: str) -> None:
        """Raise ConflictError for what lies in one of them."""
        if status.st_dev in self._avoided:
            raise ConflictError(
                f"{path} is made up by the kernel: there is no file to copy",
                hint=f"envforge exec NAME -- cat {path}",
            )

    def tree(self, tree: ReadTree, name: bytes) -> None:
        """Add a directory and all that is in it, each directory before its entries."""
        paths = self._listed(tree, name)
        self.directory(name, os.fstat(tree.descriptor))
        for path in paths:
            found = _look_at(tree, path)
            if found is not None:
                self._entry(tree, path, name + path, *found)

    def _listed(self, tree: ReadTree, name: bytes) -> list[bytes]:
        """Return the paths of all that is in a tree, each directory before its entries.

        All of them before the first is sent: the target may lie in the tree itself, and would never end.
        """
        found: list[bytes] = []
        waiting = [b""]
        while waiting:
            above = waiting.pop()
            for entry, is_directory in self._entries(tree, above):
                path = above + b"/" + entry
                if len(name) + len(path) >= _PATH_MAX:
                    self._leave_out(name + path)
                    continue
                found.append(path)
                self._bound(len(found))
                if is_directory:
                    waiting.append(path)
        return found

    def _entries(self, tree: ReadTree, path: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield the names in a directory, and which are directories; none where it is the kernel's own."""
        try:
            descriptor = tree.beneath(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            if error.errno in NOTHING:
                return  # it is gone, or a link has taken its place
            raise
        try:
            if os.fstat(descriptor).st_dev not in self._avoided:
                with os.scandir(descriptor) as entries:
                    for entry in entries:
                        yield os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)
        finally:
            os.close(descriptor)

    def _entry(self, tree: ReadTree, path: bytes, name: bytes, status: os.stat_result, target: bytes) -> None:
        if stat.S_ISDIR(status.st_mode):
            self.directory(name, status)
        elif stat.S_ISLNK(status.st_mode):
            self.link(name, status, target)
        elif stat.S_ISREG(status.st_mode):
            self._file_at(tree, path, name)
        else:
            self._leave_out(name)

    def _file_at(self, tree: ReadTree, path: bytes, name: bytes) -> None:
        try:
            file = tree.open_beneath(path)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ELOOP, errno.ENXIO}:
                raise
            self._leave_out(name)  # something else has taken its place
            return
        try:
            self.file(name, os.fstat(file), file)
        finally:
            os.close(file)

    def _bound(self, members: int) -> None:
        if members > _MEMBERS_MAX:
            raise ArchiveError(f"it has more than {_MEMBERS_MAX} files", hint="copy it in parts")

    def _leave_out(self, name: bytes) -> None:
        self.left_out_count += 1
        if self.left_out_count <= _NAMED_MAX:
            self.left_out.append(os.fsdecode(name[-_SHOWN_MAX:]))

    def directory(self, name: bytes, status: os.stat_result) -> None:
        """Add a directory's own entry."""
        self._head(name, status, tarfile.DIRTYPE)

    def link(self, name: bytes, status: os.stat_result, target: bytes) -> None:
        """Add a symbolic link."""
        self._head(name, status, tarfile.SYMTYPE, target=target)

    def file(self, name: bytes, status: os.stat_result, descriptor: int) -> None:
        """Add a file, or a further name of one. What it grows meanwhile is left away."""
        if status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), name)
            if first != name:
                self._head(name, status, tarfile.LNKTYPE, target=first)
                return
        self._head(name, status, tarfile.REGTYPE, size=status.st_size)
        left = status.st_size
        while left:
            piece = os.read(descriptor, min(_PIECE, left))
            if not piece:
                raise ConflictError(f"{os.fsdecode(name)} became shorter while it was read", hint="try again")
            write_all(self._target, piece)
            left -= len(piece)
        write_all(self._target, bytes(-status.st_size % _BLOCK))

    def _head(
        self, name: bytes, status: os.stat_result, kind: bytes, *, size: int = 0, target: bytes = b""
    ) -> None:
        info = tarfile.TarInfo(os.fsdecode(name))
        info.type, info.size, info.linkname = kind, size, os.fsdecode(target)
        info.mode = stat.S_IMODE(status.st_mode)
        info.mtime = min(max(0, int(status.st_mtime)), _TIME_MAX)
        info.uid, info.gid = self._uid_of(status.st_uid), self._gid_of(status.st_gid)
        write_all(self._target, info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))

    def finish(self) -> None:
        """Write the end mark."""
        write_all(self._target, bytes(2 * _BLOCK))


def _look_at(tree: ReadTree, path: bytes) -> tuple[os.stat_result, bytes] | None:
    """Return the status of what is at a path, and a link's target; None where it has vanished."""
    try:
        descriptor = tree.beneath(path, os.O_PATH | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in NOTHING:
            return None
        raise
    try:
        status = os.fstat(descriptor)
        return status, os.readlink(b"", dir_fd=descriptor) if stat.S_ISLNK(status.st_mode) else b""
    finally:
        os.close(descriptor)
