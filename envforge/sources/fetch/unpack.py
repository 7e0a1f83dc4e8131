"""Unpacks a tar or zip archive through a `Writer`; the first bytes tell which it is."""

import codecs
import errno
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from lzma import LZMAError
from typing import Final

from envforge.archives.bounds import ARCHIVE_MAX_BYTES, unpacked_max
from envforge.archives.names import parts, shown
from envforge.archives.streams import compression_of, open_part
from envforge.archives.tar import Member, TarReader
from envforge.errors import ArchiveError
from envforge.sources.fetch.writer import Writer

codecs.lookup("cp437")  # for names in zip files, loaded now: a confined process cannot import modules
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_TAR: Final = (257, b"ustar")
_HEAD_BYTES: Final = 512
_MEMBERS_MAX: Final = 1 << 20
_ENCRYPTED: Final = 1
"""Of a zip member's flags."""
_LINK_MAX_BYTES: Final = 4096
_CHUNK: Final = 1 << 20
_EXECUTABLE: Final = 0o755
_PLAIN: Final = 0o644


def unpack(descriptor: int, writer: Writer, strip: int) -> int:
    """Unpack an open archive; return the number of its members other than directories.

    Raises ArchiveError if it is no archive, broken or hostile, or if `strip` leaves nothing of it.
    """
    head = os.pread(descriptor, _HEAD_BYTES, 0)
    limit = min(ARCHIVE_MAX_BYTES, unpacked_max(os.fstat(descriptor).st_size))
    if head.startswith(_ZIP):
        count = _zip(descriptor, writer, strip, limit)
    else:
        count = _tar(descriptor, writer, strip, limit, _compression(head))
    if not count:
        raise ArchiveError(
            f"nothing is left of it with strip = {strip}" if strip else "it is empty",
            hint="write a smaller strip" if strip else "leave unpack away to have it as it is",
        )
    return count


def _compression(head: bytes) -> str:
    found = compression_of(head)
    offset, magic = _TAR
    if not found and head[offset : offset + len(magic)] != magic:
        raise ArchiveError(
            "it is no archive that can be unpacked: neither tar (plain, gzip, xz, zstd, bzip2) nor zip",
            hint="leave unpack away to have it as it is",
        )
    return found


def _tar(descriptor: int, writer: Writer, strip: int, limit: int, compression: str) -> int:
    count = 0
    with closing(open_part(descriptor, compression)) as stream:
        reader = TarReader(stream, limit_bytes=limit)
        for member in reader:
            name = _stripped(member.name, strip)
            if name is None:
                continue
            if member.kind == "directory":
                writer.directory(name)
                continue
            if not name:
                raise ArchiveError(f"it has the {member.kind} {shown(member.name)}")
            _tar_member(writer, reader, member, name, strip)
            count += 1
    return count


def _tar_member(writer: Writer, reader: TarReader, member: Member, name: bytes, strip: int) -> None:
    path = writer.path(name)
    if member.kind == "file":
        mode = _EXECUTABLE if member.mode & stat.S_IXUSR else _PLAIN
        writer.file(path, reader.content(), mode, member.mtime)
    elif member.kind == "symlink":
        writer.symlink(path, member.target, member.mtime)
    elif member.kind == "hardlink":
        other = _stripped(member.target, strip)
        if not other:
            raise ArchiveError(
                f"{shown(member.name)} is a hard link to {shown(member.target)}, no file of it"
            )
        writer.hard_link(path, writer.path(other))
    else:
        raise ArchiveError(f"it contains {shown(member.name)}, a {member.kind} device")


def _zip(descriptor: int, writer: Writer, strip: int, limit: int) -> int:
    count = total = 0
    with open(descriptor, "rb", closefd=False) as file:
        with _reading_zip():
            archive = zipfile.ZipFile(file)
            members = archive.infolist()
        if len(members) > _MEMBERS_MAX:
            raise ArchiveError(f"it has more than {_MEMBERS_MAX} members")
        for member in members:
            name = _stripped(os.fsencode(member.filename), strip)
            if name is None:
                continue
            if member.filename.endswith("/"):  # `is_dir` fails for an empty name
                writer.directory(name)
                continue
            total += member.file_size
            if total > limit:
                raise ArchiveError(f"it unpacks to more than {limit >> 20} MiB")
            _zip_member(writer, archive, member, name)
            count += 1
    return count


@contextmanager
def _reading_zip() -> Iterator[None]:
    """Turn the exceptions of `zipfile` and its decoders into ArchiveError, but not the disk's errors."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError, UnicodeError) as error:
        raise ArchiveError(f"the zip archive is broken or not supported: {error}") from error
    except OSError as error:
        if error.errno not in {None, errno.EINVAL}:  # bz2's own have none; EINVAL: an offset before the start
            raise
        raise ArchiveError(f"the zip archive is broken: {error}") from error


def _zip_member(writer: Writer, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: bytes) -> None:
    if not name:
        raise ArchiveError(f"it has a file called {shown(os.fsencode(member.filename))}")
    if member.flag_bits & _ENCRYPTED:
        raise ArchiveError(f"{shown(name)} is encrypted")
    path = writer.path(name)
    said = member.external_attr >> 16
    kind = stat.S_IFMT(said)
    mtime = _zip_time(member)
    if kind == stat.S_IFLNK:
        if member.file_size > _LINK_MAX_BYTES:
            raise ArchiveError(f"the link {shown(name)} has a target of {member.file_size} bytes")
        writer.symlink(path, b"".join(_zip_content(archive, member)), mtime)
    elif kind in (0, stat.S_IFREG):
        writer.file(
            path, _zip_content(archive, member), _EXECUTABLE if said & stat.S_IXUSR else _PLAIN, mtime
        )
    else:
        raise ArchiveError(f"it contains {shown(name)}, which is neither file, directory nor link")


def _zip_content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member's bytes. Raises ArchiveError if there are more than the archive's directory says."""
    left = member.file_size
    with _reading_zip():
        file = archive.open(member)
    with file:
        while True:
            with _reading_zip():
                data = file.read(_CHUNK)
            if not data:
                return
            left -= len(data)
            if left < 0:
                raise ArchiveError(f"{member.filename!r} unpacks to more than it says")
            yield data


def _zip_time(member: zipfile.ZipInfo) -> int:
    """Return a member's mtime, read as UTC: zip records no time zone."""
    try:
        return int(datetime(*member.date_time, tzinfo=UTC).timestamp())
    except ValueError:
        return 0


def _stripped(name: bytes, strip: int) -> bytes | None:
    """Return a member's name without its first `strip` components; None if that leaves nothing."""
    found = parts(name)
    if strip and len(found) <= strip:
        return None
    return b"/".join(found[strip:])
