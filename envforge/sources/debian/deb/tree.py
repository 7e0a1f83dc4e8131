"""Writes the members of a package's data archive below one directory, and nowhere else.

The directory starts empty and has no other writer, so what was made here is all that is there: a member whose
parent is not a directory made here is refused, and the kernel never has a link to follow.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from typing import Final

from attrs import evolve

from envforge.archives.tar import WHOLE_BYTES, Member, TarReader
from envforge.errors import ArchiveError
from envforge.key_files import pem
from envforge.sources.debian.deb.xattrs import kept_xattrs
from envforge.sources.debian.dpkg.names import merged, relative_name, shown
from envforge.store.listing import DIRECTORY_MTIME, Entry
from envforge.whole_file import umask, write_all

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NANOSECONDS: Final = 1_000_000_000


class Tree:
    """One package's tree while it is written, and the facts collected on the way."""

    def __init__(
        self, root: bytes, *, owners: bool, checksums: frozenset[bytes] | None, plain: bool = False
    ) -> None:
        """Prepare to write below `root`, which is made unless it is there.

        `owners`: chown files as the archive says. `checksums`: names as shipped to compute an MD5 of, None
        for all. `plain`: several packages share the directory, a later one replaces files; no set-id bits or
        xattrs.
        """
        self.names: list[bytes] = []
        """Names as shipped, absolute, in the archive's order: dpkg's `list` (`/.` for the root)."""
        self.checksums: dict[bytes, str] = {}
        """MD5 by name as shipped."""
        self.newest_mtime = 0
        self.private_keys: list[bytes] = []
        self._prefix = root + b"/"
        self._owners = owners
        self._wanted = checksums
        self._plain = plain
        self._mask = 0o777 if plain else 0o7777
        self._entries: dict[bytes, Entry] = {b"": Entry(b"/", "d")}
        self._directories = {b""}
        self._set_group: dict[bytes, int] = {}
        self._links: dict[bytes, list[bytes]] = {}
        self._original: dict[bytes, bytes] = {}
        self._late_bits = umask() | 0o7000
        os.makedirs(root, exist_ok=plain)
        os.chmod(root, 0o755)  # noqa: S103  # a root directory is for all to read

    def fill(self, reader: TarReader) -> None:
        """Write every member.

        Raises ArchiveError for a member that could leave the tree or that no package may have.
        """
        for member in reader:
            shipped = relative_name(member.name)
            self.names.append(b"/" + (shipped or b"."))
            self.newest_mtime = max(self.newest_mtime, member.mtime)
            if not shipped:
                continue
            path = merged(shipped, member.kind)
            if member.xattrs and member.kind != "file" and kept_xattrs(member):
                raise ArchiveError(f"it contains {shown(shipped)}, a {member.kind} with xattrs")
            if member.kind == "directory":
                self._directory(path, member)
                continue
            self._make_room(path, shipped)
            if member.kind == "file":
                self._file(path, shipped, member, reader)
            elif member.kind == "symlink":
                self._symlink(path, member.target, member)
            elif member.kind == "hardlink":
                self._hardlink(path, shipped, member)
            else:
                raise ArchiveError(f"it contains {shown(shipped)}, a {member.kind} device; no package may")

    def finish(self) -> None:
        """Give every directory the format's constant mtime, and its set-group-id bit.

        Set earlier, the bit would give files made below the directory's group, not the archive's.
        """
        for path, mode in self._set_group.items():
            os.chmod(self._prefix + path, mode)
        time = (DIRECTORY_MTIME * _NANOSECONDS,) * 2
        for path in self._directories:
            os.utime(self._prefix + path, ns=time)

    def entries(self) -> Iterator[Entry]:
        """Yield the listing's entries; in each group of hard links, all paths but the first refer to that."""
        firsts = {}
        for group in self._links.values():
            first = min(group)
            firsts.update({path: b"/" + first for path in group if path != first})
        for path, entry in self._entries.items():
            if path in firsts:
                yield evolve(entry, link=firsts[path])
            else:
                yield entry

    def _make_room(self, path: bytes, shipped: bytes) -> None:
        """Make sure that the parent of `path` is a directory of this tree and that `path` is free."""
        self._make_parent(path)
        present = self._entries.get(path)
        if present is not None:
            other = self._original.get(path, path)
            if path in self._directories or other == shipped or path in self._links:
                raise ArchiveError(f"it contains {shown(shipped)} twice")
            os.unlink(self._prefix + path)
        elif self._plain:
            self._replace(path)
        if path != shipped or present is not None:
            self._original[path] = shipped

    def _replace(self, path: bytes) -> None:
        try:
            os.unlink(self._prefix + path)
        except FileNotFoundError:
            return
        except IsADirectoryError as error:
            raise ArchiveError(f"{shown(path)} is a directory of another package") from error

    def _make_parent(self, path: bytes) -> None:
        """Make the directories above `path` that the archive does not name (an alias of usr/, say)."""
        parent = path[: max(path.rfind(b"/"), 0)]
        if parent in self._directories:
            return
        end = 0
        while end < len(parent):
            end = parent.find(b"/", end + 1)
            end = len(parent) if end < 0 else end
            above = parent[:end]
            if above in self._directories:
                continue
            if above in self._entries:
                raise ArchiveError(
                    f"{shown(path)} would be written through {shown(above)}, which is no directory"
                )
            self._make_directory(above, 0o755)
            self._entries[above] = Entry(b"/" + above, "d")

    def _make_directory(self, path: bytes, mode: int) -> None:
        full = self._prefix + path
        try:
            os.mkdir(full, mode & 0o777)
        except FileExistsError:
            if not self._plain or os.path.islink(full) or not os.path.isdir(full):
                raise ArchiveError(f"{shown(path)} is there already and no directory") from None
        if mode & self._late_bits:
            os.chmod(full, mode & self._mask)
        self._directories.add(path)

    def _directory(self, path: bytes, member: Member) -> None:
        mode = member.mode | 0o700 if self._plain else member.mode
        if path not in self._directories:
            self._make_parent(path)
            if path in self._entries:
                raise ArchiveError(f"it contains {shown(path)} as a directory and as something else")
            self._make_directory(path, mode & ~stat.S_ISGID)
        full = self._prefix + path
        owned = self._owners and (member.uid or member.gid)
        if owned:
            os.chown(full, member.uid, member.gid, follow_symlinks=False)
        if owned or path in self._entries:
            os.chmod(full, mode & self._mask & ~stat.S_ISGID)
        if mode & self._mask & stat.S_ISGID:
            self._set_group[path] = mode
        else:
            self._set_group.pop(path, None)
        self._entries[path] = Entry(b"/" + path, "d", member.mode, member.uid, member.gid)

    def _file(self, path: bytes, shipped: bytes, member: Member, reader: TarReader) -> None:
        descriptor = os.open(self._prefix + path, _CREATE, member.mode & 0o777)
        try:
            checksum = hashlib.md5(usedforsecurity=False) if self._wants_checksum(shipped) else None
            if member.size <= WHOLE_BYTES:
                start, end = reader.whole()
                view = memoryview(reader.buffer)[start:end]
                if reader.buffer.find(pem.MARK, start, end) >= 0 and pem.holds_private_key(view):
                    self.private_keys.append(b"/" + path)
                pieces: Iterator[memoryview] = iter((view,))
            else:
                pieces = reader.content()
            content = hashlib.sha256()
            for piece in pieces:
                content.update(piece)
                if checksum is not None:
                    checksum.update(piece)
                write_all(descriptor, piece)
            self._attributes(descriptor, member)
        finally:
            os.close(descriptor)
        if checksum is not None:
            self.checksums[b"/" + shipped] = checksum.hexdigest()
        self._entries[path] = Entry(
            path=b"/" + path,
            type="f",
            mode=member.mode,
            uid=member.uid,
            gid=member.gid,
            mtime=member.mtime,
            size=member.size,
            content=content.hexdigest().encode(),
            xattrs=kept_xattrs(member) if member.xattrs else (),
        )

    def _attributes(self, descriptor: int, member: Member) -> None:
        """Set owner, mode, xattrs and time; the owner first, as chown clears set-id bits and capabilities."""
        if self._owners and (member.uid or member.gid):
            os.fchown(descriptor, member.uid, member.gid)
        if member.mode & self._late_bits:
            os.fchmod(descriptor, member.mode & self._mask)
        if member.xattrs and not self._plain:
            for name, value in kept_xattrs(member):
                os.setxattr(descriptor, name, value)
        time = member.mtime * _NANOSECONDS
        os.utime(descriptor, ns=(time, time))

    def _symlink(self, path: bytes, target: bytes, member: Member) -> None:
        if not target or b"\0" in target:
            raise ArchiveError(f"the link {shown(path)} has the impossible target {target!r}")
        full = self._prefix + path
        os.symlink(target, full)
        if self._owners and (member.uid or member.gid):
            os.chown(full, member.uid, member.gid, follow_symlinks=False)
        time = member.mtime * _NANOSECONDS
        os.utime(full, ns=(time, time), follow_symlinks=False)
        self._entries[path] = Entry(
            b"/" + path, "l", 0o777, member.uid, member.gid, member.mtime, content=target
        )

    def _hardlink(self, path: bytes, shipped: bytes, member: Member) -> None:
        target_shipped = relative_name(member.target)
        target = merged(target_shipped, "file")
        entry = self._entries.get(target)
        if entry is None or entry.type == "d":
            raise ArchiveError(f"{shown(path)} is a hard link to {shown(target)}, which is no file of it")
        if entry.type == "l":
            self._symlink(path, entry.content, member)
            return
        os.link(self._prefix + target, self._prefix + path, follow_symlinks=False)
        group = self._links.setdefault(target, [target])
        group.append(path)
        self._links[path] = group
        if self._wants_checksum(shipped) and b"/" + target_shipped in self.checksums:
            self.checksums[b"/" + shipped] = self.checksums[b"/" + target_shipped]
        self._entries[path] = evolve(entry, path=b"/" + path)

    def _wants_checksum(self, shipped: bytes) -> bool:
        return self._wanted is None or b"/" + shipped in self._wanted
