"""The tar reader agrees with Python's own on whatever tarfile writes, however the bytes come in pieces."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envforge.archives.tar import WHOLE_BYTES, TarReader
from envforge.errors import ArchiveError
from envforge.sources.debian.dpkg.names import merged, relative_name

TYPES = {
    "file": tarfile.REGTYPE,
    "directory": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "character": tarfile.CHRTYPE,
    "fifo": tarfile.FIFOTYPE,
}
PARTS = st.text(
    st.characters(min_codepoint=1, max_codepoint=0x2FFF, exclude_characters="/", exclude_categories=("Cs",)),
    min_size=1,
    max_size=60,
)
NAMES = st.lists(PARTS, min_size=1, max_size=8).map("/".join)
NUMBERS = st.integers(0, 2**21 - 1) | st.integers(0, 2**31)


@st.composite
def members(draw):
    info = tarfile.TarInfo(draw(NAMES))
    kind = draw(st.sampled_from(sorted(TYPES)))
    info.type = TYPES[kind]
    info.mode = draw(st.integers(0, 0o7777))
    info.uid, info.gid, info.mtime = draw(NUMBERS), draw(NUMBERS), draw(st.integers(0, 2**33))
    if kind in ("symlink", "hardlink"):
        info.linkname = draw(NAMES)
    content = draw(st.binary(max_size=2000)) if kind == "file" else b""
    if content and draw(st.integers(0, 20)) == 0:
        content *= 1 + 3_000_000 // len(content)
    info.size = len(content)
    return kind, info, content


class Pieces:
    """Gives at most so many bytes at a time."""

    def __init__(self, data, limit):
        self.file = io.BytesIO(data)
        self.limit = limit

    def readinto(self, buffer):
        data = self.file.read(min(len(buffer), self.limit))
        buffer[: len(data)] = data
        return len(data)

    def close(self):
        pass


def written(entries, format_):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_, errors="surrogateescape") as archive:
        for _, info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def content_of(reader, member):
    if member.size <= WHOLE_BYTES:
        start, end = reader.whole()
        return bytes(reader.buffer[start:end])
    return b"".join(map(bytes, reader.content()))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(members(), max_size=6),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.sampled_from([7, 511, 4096, 1 << 20, 1 << 22]),
    st.booleans(),
)
def test_it_reads_what_tarfile_writes(entries, format_, limit, skipping):
    if any(len(content) > 100_000 for *_, content in entries):
        limit = max(limit, 4096)
    reader = TarReader(Pieces(written(entries, format_), limit))
    seen = 0
    for member, (kind, info, content) in zip(reader, entries, strict=True):
        seen += 1
        assert member.kind == kind
        assert member.name.rstrip(b"/") == info.name.encode().rstrip(b"/")
        assert (member.mode, member.uid, member.gid, member.mtime) == (
            info.mode, info.uid, info.gid, info.mtime,
        )  # fmt: skip
        assert member.size == len(content)
        if kind in ("symlink", "hardlink"):
            assert member.target == info.linkname.encode()
        if not skipping:
            assert content_of(reader, member) == content
    assert seen == len(entries)


@settings(max_examples=100, deadline=None)
@given(st.lists(members(), min_size=1, max_size=3), st.data())
def test_it_never_fails_but_by_an_archive_error(entries, data):
    """Any bytes changed or cut off: either it still reads, or ArchiveError."""
    raw = bytearray(written(entries, tarfile.GNU_FORMAT))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    reader = TarReader(Pieces(bytes(raw), 1 << 20))
    try:
        for member in reader:
            content_of(reader, member)
    except ArchiveError:
        pass


@given(st.binary(max_size=40) | st.text("./ab", max_size=12).map(str.encode))
def test_names_stay_inside_or_are_refused(name):
    try:
        path = relative_name(name)
    except ArchiveError:
        return
    parts = path.split(b"/")
    assert not path.startswith(b"/")
    assert b"\0" not in path
    assert b".." not in parts
    assert path == b"" or (b"" not in parts and b"." not in parts)
    assert relative_name(path) == path
    assert relative_name(merged(path, "file")) == merged(path, "file")


@pytest.mark.parametrize(
    ("path", "kind", "lies"),
    [
        (b"bin/sh", "file", b"usr/bin/sh"),
        (b"lib64", "directory", b"usr/lib64"),
        (b"lib64", "symlink", b"lib64"),
        (b"libx32/x", "symlink", b"usr/libx32/x"),
        (b"library/x", "file", b"library/x"),
        (b"usr/bin/x", "file", b"usr/bin/x"),
        (b"etc/bin/x", "file", b"etc/bin/x"),
    ],
)
def test_where_things_lie_when_usr_is_merged(path, kind, lies):
    assert merged(path, kind) == lies
