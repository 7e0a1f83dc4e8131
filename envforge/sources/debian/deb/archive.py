"""The ar container of a .deb (deb(5)): finds its members and decompresses one of them.

    !<arch>  debian-binary "2.0"  control.tar[.gz|.xz|.zst]  data.tar[.gz|.xz|.zst|.bz2|.lzma]

Strict: whatever dpkg-deb would not have written raises ArchiveError. Nothing is read whole into memory.
"""

import os
from typing import Final

from attrs import frozen

from envforge.archives.streams import Reader, open_part
from envforge.errors import ArchiveError

_MAGIC: Final = b"!<arch>\n"
_HEADER_BYTES: Final = 60


@frozen
class Member:
    """One ar member: its name without padding, and where its bytes lie in the file."""

    name: str
    offset: int
    size: int


@frozen
class Layout:
    """The two members of a .deb that matter."""

    control: Member
    data: Member


def read_layout(descriptor: int) -> Layout:
    """Return where control and data of the .deb open at `descriptor` lie.

    Raises ArchiveError: no ar file, another deb format, members missing, out of order or cut off.
    """
    if os.pread(descriptor, len(_MAGIC), 0) != _MAGIC:
        raise ArchiveError("it is not a Debian package: the ar magic is missing")
    total = os.fstat(descriptor).st_size
    binary = _member_at(descriptor, len(_MAGIC), total)
    version = os.pread(descriptor, min(binary.size, 64), binary.offset)
    if binary.name != "debian-binary" or not version.startswith(b"2.") or b"\n" not in version:
        raise ArchiveError(f"it is not a Debian package of format 2: {binary.name!r} says {version!r}")
    control = _next_member(descriptor, binary, total)
    _expect(control, "control.tar")
    data = _next_member(descriptor, control, total)
    _expect(data, "data.tar")
    return Layout(control, data)


def _next_member(descriptor: int, previous: Member, total: int) -> Member:
    """Return the member after `previous`, skipping those that deb(5) lets readers ignore (`_…`)."""
    while True:
        previous = _member_at(descriptor, previous.offset + previous.size + previous.size % 2, total)
        if not previous.name.startswith("_"):
            return previous


def _member_at(descriptor: int, offset: int, total: int) -> Member:
    header = os.pread(descriptor, _HEADER_BYTES, offset)
    if len(header) < _HEADER_BYTES:
        raise ArchiveError("it is truncated: a member is missing")
    digits = header[48:58].rstrip(b" ")
    if header[58:] != b"`\n" or not digits.isdigit():
        raise ArchiveError(f"its ar header at byte {offset} is broken")
    name = header[:16].rstrip(b" ").removesuffix(b"/").decode("ascii", "replace")
    member = Member(name, offset + _HEADER_BYTES, int(digits))
    if member.offset + member.size > total:
        raise ArchiveError(f"it is truncated: {name} ends at byte {member.offset + member.size} of {total}")
    return member


def _expect(member: Member, name: str) -> None:
    if member.name != name and member.name.rpartition(".")[0] != name:
        raise ArchiveError(f"its members are out of order: {member.name!r} stands where {name} must")


def open_member(descriptor: int, member: Member) -> Reader:
    """Return a reader of the member's decompressed bytes; the suffix of its name says how it is compressed.

    Raises ArchiveError for a compression that dpkg does not know either.
    """
    return open_part(descriptor, member.name.partition(".tar")[2], member.offset, member.size)
