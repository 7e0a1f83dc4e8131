r"""The listing of a tree: one line a path; its SHA-256 is the layer's digest. Frozen format 1.

    envforge-listing 1
    d 0755 0 0 315532800 - - - - /
    f 0644 0 0 1700000000 5 <sha256> - - /etc/hostname
    f 4755 0 0 1700000000 9 <sha256> - security.capability=0100… /usr/bin/ping
    f 0755 0 0 1700000000 7 <sha256> /usr/bin/perl - /usr/bin/perl5.36.0
    l 0777 0 0 1700000000 - usr/bin - - /bin
    c 0666 0 0 1700000000 1:3 - - - /dev/null

Fields: type, mode (octal), uid, gid, mtime (whole seconds), size in bytes (or major:minor), content (the
SHA-256 of a file, the target of a link), link (the first path of a group of hard links inside one package),
xattrs (name=hex, comma between), path. Lines are sorted by the raw bytes of the path. Bytes outside 0x21-0x7e
and the backslash are written `\xHH`, so a space always ends a field; a field that is a dash is escaped too.
Types: d directory, o opaque directory (hides what lower layers have there), w whiteout, f file, l symbolic
link, c and b devices, p fifo, s socket.
"""

import re
from collections.abc import Iterable, Iterator

from attrs import frozen

from envforge.digest import sha256_of
from envforge.errors import StoreError

FORMAT = 1
_DAMAGED = "the store is damaged; `envforge store destroy`, then `envforge build` makes all of it again"
MAX_BYTES = 1 << 30
"""Limit of a listing that a process made which is not trusted, or that a cache has."""
HEADER = b"envforge-listing %d\n" % FORMAT
DIRECTORY_MTIME = 315532800
"""Every directory's mtime, 1980-01-01: caches that compare directory times stay valid over any farm."""

_PLAIN = bytes(byte for byte in range(0x21, 0x7F) if byte != 0x5C)
_UNSAFE = re.compile(rb"[^\x21-\x5b\x5d-\x7e]")
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


@frozen(slots=True)
class Entry:
    """One path of a tree, as the environment sees it (owners by inside ids)."""

    path: bytes
    """Absolute inside the tree, `/` for its root."""
    type: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int = DIRECTORY_MTIME
    """Whole seconds since 1970; directories have the format's constant."""
    size: int | None = None
    """Bytes of a file."""
    device: tuple[int, int] | None = None
    """Major and minor number of a device."""
    content: bytes = b""
    """Hex SHA-256 of a file, target of a symbolic link."""
    link: bytes = b""
    """First path of this file's group of hard links, empty for that first path itself."""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    """Name and value, sorted by name."""


def escape(raw: bytes) -> bytes:
    r"""Return `raw` with every byte that could end a field or a line as `\xHH`."""
    if not raw.translate(None, _PLAIN):
        return raw
    return _UNSAFE.sub(lambda match: b"\\x%02x" % match[0][0], raw)


def unescape(text: bytes) -> bytes:
    """Return the bytes that `escape` was given."""
    if b"\\" not in text:
        return text
    return _ESCAPED.sub(lambda match: bytes((int(match[1], 16),)), text)


def format_entry(entry: Entry) -> bytes:
    """Return the entry's line, with its line end."""
    if entry.device is not None:
        size = b"%d:%d" % entry.device
    else:
        size = b"-" if entry.size is None else b"%d" % entry.size
    xattrs = b",".join(format_xattr(name, value) for name, value in entry.xattrs)
    return b"%s %04o %d %d %d %s %s %s %s %s\n" % (
        entry.type.encode(),
        entry.mode,
        entry.uid,
        entry.gid,
        entry.mtime,
        size,
        _field(entry.content),
        _field(entry.link),
        xattrs or b"-",
        escape(entry.path),
    )


def _field(raw: bytes) -> bytes:
    """Return the text of an optional field: `-` if it is empty; a literal dash is escaped."""
    return rb"\x2d" if raw == b"-" else escape(raw) or b"-"


def parse_entry(line: bytes) -> Entry:
    """Return the entry of one line. Raises StoreError for a line that is not of the format."""
    try:
        kind, mode, uid, gid, mtime, size, content, link, xattrs, path = line.rstrip(b"\n").split(b" ")
        device = None
        if b":" in size:
            major, minor = size.split(b":")
            device = (int(major), int(minor))
        return Entry(
            path=unescape(path),
            type=kind.decode("ascii"),
            mode=int(mode, 8),
            uid=int(uid),
            gid=int(gid),
            mtime=int(mtime),
            size=None if size == b"-" or device is not None else int(size),
            device=device,
            content=b"" if content == b"-" else unescape(content),
            link=b"" if link == b"-" else unescape(link),
            xattrs=() if xattrs == b"-" else tuple(_parse_xattr(item) for item in xattrs.split(b",")),
        )
    except ValueError as error:
        raise StoreError(f"a listing has a broken line: {line!r}", hint=_DAMAGED) from error


def format_xattr(name: bytes, value: bytes) -> bytes:
    """Return one extended attribute as it stands in a line."""
    return b"%s=%s" % (_xattr_name(name), value.hex().encode())


def _xattr_name(raw: bytes) -> bytes:
    return escape(raw).replace(b",", rb"\x2c").replace(b"=", rb"\x3d")


def _parse_xattr(item: bytes) -> tuple[bytes, bytes]:
    name, value = item.rsplit(b"=", 1)
    return unescape(name), bytes.fromhex(value.decode("ascii"))


def dump(entries: Iterable[Entry]) -> bytes:
    """Return the listing of `entries`, which may come in any order; each path once."""
    ordered = sorted(entries, key=lambda entry: entry.path)
    return HEADER + b"".join(map(format_entry, ordered))


def load(data: bytes) -> list[Entry]:
    """Return the entries of a listing, sorted by path.

    Raises StoreError if the format is not the one that this release reads.
    """
    return list(iterate(data))


def iterate(data: bytes) -> Iterator[Entry]:
    """Yield the entries of a listing. Raises StoreError like `load`."""
    header, _, body = data.partition(b"\n")
    if header + b"\n" != HEADER:
        raise StoreError(
            f"a listing starts with {header[:40]!r}, this release reads {HEADER!r}",
            hint="use the release that wrote this store, or build into another --store",
        )
    for line in body.splitlines():
        yield parse_entry(line)


def find(data: bytes, path: bytes) -> Entry | None:
    """Return the entry of one path without parsing the others, None if the listing lacks it."""
    end = data.find(b" " + escape(path) + b"\n")
    if end < 0:
        return None
    start = data.rfind(b"\n", 0, end) + 1
    return parse_entry(data[start : data.index(b"\n", end)])


def index(data: bytes) -> dict[bytes, bytes]:
    """Return the raw line of each path, for callers that parse only a few of many entries."""
    return {
        path if b"\\" not in path else unescape(path): line
        for line in data.split(b"\n")[1:-1]
        for path in (line[line.rfind(b" ") + 1 :],)
    }


def digest(data: bytes) -> str:
    """Return the digest of a layer: the SHA-256 of its listing, 64 hex digits."""
    return sha256_of(data)
